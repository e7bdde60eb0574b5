"""Which names of files and folders are those of depth, classes and normals."""

from pathlib import Path

import pytest

from gbuffer_tools.io.sensor_pictures import sensor_pictures

ROOT = Path("recording")
SENSORS = (
    "depth/12.png", "camera_depth_front/0.png", "sensor.camera.depth/1.png", "SemanticSegmentation/1.png",
    "semantic_segmentation/1.png", "instance_segmentation/a.png", "front/normals/1.png", "0012_depth.png",  # CARLA
    "data_depth_annotated/train/0001.png", "training/semantic_rgb/a.png", "training/instance/a.png",  # KITTI
    "proj_depth/groundtruth/image_02/0000000005.png", "training/disp_noc_0/a.png", "flow_occ/a.png",
    "depth/Camera_0/depth_00001.png", "classSegmentation/Camera_0/classgt_00001.png",  # Virtual KITTI
    "vkitti_1.3.1_depthgt/0001/clone/00000.png", "instancegt_00001.png", "forwardFlow/flow_00001.png",
)  # fmt: skip
COLOURS = (
    "rgb/12.png", "camera_front/0.png", "Frames/FinalColor-0000012.png", "training/image_2/000000_10.png",
    "frames/rgb/Camera_0/rgb_00001.jpg", "depth_of_field/1.png", "normal/1.png", "instance_images/1.png",
    "in_depth_look.jpg", "train/1.png", "flow/1.png", "2023-12-20/1.png",
)  # fmt: skip


@pytest.mark.parametrize("name", SENSORS)
def test_names_of_sensors(name: str) -> None:
    assert sensor_pictures([ROOT / name], ROOT)


@pytest.mark.parametrize("name", COLOURS)
def test_names_of_colours(name: str) -> None:
    assert not sensor_pictures([ROOT / name], ROOT)


def test_what_is_above_the_root_says_nothing() -> None:
    assert not sensor_pictures([Path("depth/a/1.png")], Path("depth"))
