"""Semantic classes of SuperTuxKart's surfaces, read from the names of their textures.

The game's image files have telling names (`stktex_generic_cobbleStoneA.jpg`). The first rule that matches the file's
name wins; if none does, for shared objects, the first that matches the names of its folders. This is a heuristic, not
the artists' intention: a tileable wood texture on a fence counts as a building.
"""

import re

CLASSES = (
    "sky", "road", "terrain", "vegetation", "water", "building", "structure", "rock", "fence_pole", "sign", "light",
    "prop", "kart", "item", "person", "unknown",
)  # fmt: skip

# (class, pattern), tried in order, on lower-case names without suffix.
RULES = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("sky", r"^sky|skybox|_sky$"),
        ("item", r"^tnt|gift|nitro|banana|bubblegum|bubble_gum|easter_egg|swatter|zipper|blueshell|parachute"),
        ("person", r"girl|crowd|people|spectator|silvian$|person|kiki_|_kiki|wilber|beachguy|beachwom"),
        (
            "sign",
            r"logo|flag|sign|poster|banner|arrow|directionpattern|stoppattern|location|paper|panel|billboard|welcome|screen"
            r"|danger|^s\d$",
        ),
        ("road", r"^road|sandroad"),
        (
            "vegetation",
            r"tree|leaf|leaves|grass-|plant|flower|bush|brush|palm|cactus|fern|vine|ivy|pine|bark|trunk|bamboo|hedge|willow|birch"
            r"|foliage|branch|sapling|lily|conifer|corn|wheat|jungle|log_|endlog|carrot|agave|cattail|hayfiber"
            r"|cabbage|susan|accacia|acacia|mushroom|weed|liana|reed|sunflower|seaweed|shrub|root",
        ),
        (
            "terrain",
            r"racetrack_grass|grass|sand|snow|mud|moss(?!y_wall)|yellow_dirt|sea-bed|beach|lava|ice_|soil|underwater|slowdown|forest_floor",
        ),
        (
            "road",
            r"road|racetrack|asphalt|tarmac|pavement|paving|cobble|trail|path|startline|startingline|runway|checker|chess|^cross|blend"
            r"|earth|dirt|carpet|track_|kerb|curb|border",
        ),
        ("water", r"water(?!concrete)|^sea|ocean|river|lake|waterfall"),
        (
            "building",
            r"wall|roof|house|brick|window|door|temple|building|tile|stucco|plaster|rosette|shutter|wood|plank|castle"
            r"|(?:^|_)hut|tower|thatch|planch|mansion|church|dome|facade|chimney|pagoda|balcon|egypt|pyramid|sphinx|pub\d|_pub|factory|shop|hortonstone|mossy_wall",
        ),
        ("light", r"lantern|lamp|lightblinker|gfxglow|bulb|candle|torch|neon"),
        ("fence_pole", r"fence|chain|pole|rope|barrier|rail|post"),
        (
            "structure",
            r"concrete|metal|iron|triangle|globe|base1|pipe|arch|column|pillar|beam|bridge|steel|rust|marble",
        ),
        ("rock", r"rock|stone|cliff|boulder|pebble|gravel|mountain|moai"),
        ("terrain", r"ground|field|terrain|hill"),
        (
            "prop",
            r"hayball|hay_|cardboard|oldcar|skull|crate|barrel|cloth|pumpkin|box|wheel|buoy|cart|boat|ship|tent"
            r"|statue|ribbon|wicker|cars|fabric|umbrella|chair|table|bench|balloon|gondola|bell|food|fruit"
            r"|jet|plane_|_plane|crab|monkey|parrot|gnu|beachball|ceramic",
        ),
    )
)


def classify(path: str) -> str:
    """The class of an image file, given by its path below the game's data folder."""
    *folders, file = path.lower().split("/")
    if folders[:1] == ["karts"]:
        return "kart"
    stem = file.rpartition(".")[0] or file
    # A level's own folder names the place (`sandtrack`), not the surface.
    for text in (stem, "" if folders[:1] == ["tracks"] else "/".join(folders[1:])):
        for name, pattern in RULES:
            if pattern.search(text):
                return name
    return "unknown"
