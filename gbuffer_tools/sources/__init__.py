"""One module per kind of file that renderers write, and the list of them, in the order in which they are tried."""

from gbuffer_tools.source import Source
from gbuffer_tools.sources import (
    blenderproc,
    carla,
    epe,
    exr,
    exr_blender,
    exr_mitsuba,
    exr_unreal,
    hypersim,
    images,
    labelled,
    renderdoc,
    replicator,
    unity,
    unreal,
)

# The special come before the general: the images of a labelled data set could also be read as plain images.
SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        renderdoc.SOURCE,
        replicator.SOURCE,
        hypersim.SOURCE,
        unity.SOURCE,
        blenderproc.SOURCE,
        carla.SOURCE,
        epe.SOURCE,
        unreal.SOURCE,
        exr_blender.SOURCE,
        exr_unreal.SOURCE,
        exr_mitsuba.SOURCE,
        labelled.SOURCE,
        exr.SOURCE,
        images.SOURCE,
    )
}
