"""First stages from model files: the one for pictures, and the one for the maps that pictures are conditioned on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from datasets.coding.code_maps import Condition, FirstStageEncoder
from datasets.coding.conditions import Buffers, ClassMaps, ConditionMaps
from datasets.runtime.weights import load_model
from epe.first_stage import FirstStage
from epe.models import Model
from gbuffer_tools.errors import InputError

KIND = "vqgan"


@dataclass(frozen=True)
class FirstStages:
    """The first stages of a transformer over codes, frozen, on their device.

    Attributes:
        pictures: the one for pictures.
        maps: the one for the condition's maps, if any.
        model: the model of `maps`.
        path: the file of `maps`.
    """

    pictures: FirstStageEncoder
    maps: FirstStageEncoder | None = None
    model: Model | None = None
    path: Path | None = None

    @classmethod
    def load(cls, pictures: Path, maps: Path | None, device: str) -> Self:
        """Load them from their files.

        Raises:
            InputError: a file holds no first stage, or one for other content, or their codes differ in size.
        """
        encoder, _ = load_encoder(pictures, device)
        content = encoder.network.spec.content
        if content != "image":
            raise InputError(f"{pictures}: encodes {content}, wanted images (train.vqgan).")
        if maps is None:
            return cls(encoder)
        of_maps, model = load_encoder(maps, device)
        if of_maps.network.spec.content == "image":
            raise InputError(f"{maps}: encodes images, wanted classes or buffers (train.vqgan).")
        wanted, found = encoder.network.factor, of_maps.network.factor
        if found != wanted:
            raise InputError(
                f"{maps}: has codes of {found} pixels a side, {pictures} of {wanted}; wanted the same, so that they "
                "lie side by side."
            )
        return cls(encoder, of_maps, model, maps)

    def open_maps(self, folder: Path, classes: Path | None) -> ConditionMaps | None:
        """Open the maps of a folder of label maps or frame files; None if no maps are encoded.

        Args:
            folder: the folder.
            classes: YAML file of a taxonomy for the class ids of frame files; None: each name is a class.

        Raises:
            InputError: the folder has no such maps.
        """
        if self.maps is None or self.model is None or self.path is None:
            return None
        spec, names = self.maps.network.spec, [names[0] for names in self.model.classes if names]
        named = names if spec.content == "classes" else self.model.channels
        if len(named) not in (spec.channels, 0):
            raise InputError(
                f"{self.path}: names {len(named)} of its {spec.channels} channels; fetch or train it again."
            )
        if spec.content == "classes":
            return ClassMaps(folder, classes, names, spec.channels)
        if classes is not None:
            raise InputError(f"{classes}: {self.path} encodes G-buffers, which have no classes; leave --classes out.")
        return Buffers(folder, self.model, self.path)

    def condition(self, maps: ConditionMaps | None, labels: dict[str, int]) -> Condition:
        """Return the condition of pictures with these maps, or these labels."""
        return Condition(labels, maps, self.maps)


def load_encoder(path: Path, device: str) -> tuple[FirstStageEncoder, Model]:
    """Load a first stage, frozen and in evaluation mode, onto a device.

    Raises:
        InputError: the file holds no first stage.
    """
    model = load_model(path, KIND, "train.vqgan, app.convert")
    return FirstStageEncoder(cast(FirstStage, model.network.to(device)), device), model
