"""Sun, sky, haze and exposure of a town."""

import math
from dataclasses import dataclass
from random import Random

from gbuffer_tools.streets.shapes.mesh import Colour

KINDS = ("clear", "clear", "low", "hazy", "overcast", "overcast")


@dataclass(frozen=True)
class Weather:
    """The light of a town: sun, sky, clouds, haze, exposure.

    Attributes:
        elevation, azimuth: of the sun, radians.
        sun: irradiance of a surface that faces it; sun_colour: linear RGB.
        zenith, horizon: radiance of the sky, linear RGB.
        clouds: share of the sky that they cover, 0..1.
        haze: extinction per metre.
        exposure: what radiance is multiplied by before the tone curve.
    """

    elevation: float
    azimuth: float
    sun: float
    sun_colour: Colour
    zenith: Colour
    horizon: Colour
    clouds: float
    haze: float
    exposure: float


def make_weather(seed: int) -> Weather:
    """The weather of a town; successive seeds go through `KINDS`, so a few towns have all of them."""
    random = Random(f"{seed}/weather")
    kind = KINDS[seed % len(KINDS)]
    azimuth = random.uniform(0, 2 * math.pi)
    if kind == "overcast":
        grey = random.uniform(0.75, 1.0)
        return Weather(
            math.radians(random.uniform(30, 60)), azimuth, random.uniform(0.1, 0.5), (1, 0.97, 0.93),
            (0.62 * grey, 0.66 * grey, 0.72 * grey), (0.95 * grey, 0.96 * grey, 0.98 * grey),
            random.uniform(0.75, 1.0), random.uniform(0.0008, 0.0025), random.uniform(1.4, 1.9),
        )  # fmt: skip
    degrees = {"clear": (32, 60), "low": (12, 24), "hazy": (20, 45)}[kind]
    elevation = math.radians(random.uniform(*degrees))
    warm = 1 - math.sin(elevation)
    colour = 1.0, 0.96 - 0.16 * warm * warm, 0.9 - 0.38 * warm * warm
    blue = random.uniform(0.75, 1.1)
    zenith = 0.24 * blue, 0.4 * blue, 0.7 * blue
    horizon = 0.82, 0.87, 0.94
    if kind == "hazy":
        zenith, horizon = (0.42, 0.53, 0.7), (0.95, 0.95, 0.95)
    strength = {"clear": 3.6, "low": 2.8, "hazy": 2.2}[kind] * random.uniform(0.9, 1.1)
    haze = {"clear": (0.0002, 0.001), "low": (0.0008, 0.0025), "hazy": (0.003, 0.006)}[kind]
    light = strength * math.sin(elevation) + 1.5
    return Weather(
        elevation, azimuth, strength, colour, zenith, horizon, random.uniform(0.05, 0.6), random.uniform(*haze),
        random.uniform(4.0, 5.0) / light,
    )  # fmt: skip
