"""The commands, and the options of each: the contract that scripts rely on."""

# What train.epe and train.realformer unpaired have in common.
EPE = {
    "--config", "--print_config",
    # Data.
    "--frames", "--photos", "--photo_filter", "--matches", "--frame_labels", "--photo_labels", "--out", "--licence",
    # Networks.
    "--features", "--streams", "--sky_features", "--drop_buffers", "--withheld", "--preset", "--initial",
    "--trainable", "--taps", "--critic_layers", "--critic_width", "--vgg",
    # Optimisation.
    "--crop", "--batch", "--accumulate", "--steps", "--rate", "--critic_rate", "--beta1", "--beta2",
    "--weight_decay",
    "--decay_every", "--decay_factor", "--clip", "--perceptual_weight", "--perceptual_layers",
    "--class_colour_weight", "--class_colour_side", "--penalty_weight", "--penalty_every",
    "--penalty_input", "--penalty_of", "--adaptive_target", "--ema", "--precision",
    "--critic_clip", "--clip_norm", "--critic_labels", "--diff_augment", "--adaptive_start",
    "--checkpoint_activations", "--compile",
    # The machine, and when what is done.
    "--device", "--workers", "--seed", "--log_every", "--preview_every", "--save_every",
}  # fmt: skip
# What runs of one process have in common.
LINEAR_DECAY = {
    "--config", "--print_config", "--out", "--licence", "--crop", "--batch", "--steps", "--rate", "--constant",
    "--beta1", "--beta2", "--device", "--workers", "--seed", "--log_every", "--preview_every", "--save_every",
}  # fmt: skip
SOLO = LINEAR_DECAY | {"--critic_rate"}
# Command line up to `--help` -> its long options, those of all commands aside.
FROZEN: dict[str, set[str]] = {
    "gbuffer_tools.capture": {
        "--count", "--first", "--out", "--patience", "--profile", "--quality", "--size", "--step", "--textures",
        "--track",
    },
    "gbuffer_tools.check": {"--jobs", "--json", "--scheduler"},
    "gbuffer_tools.export": {"--format", "--frame", "--out", "--overwrite"},
    "gbuffer_tools.extract": {
        "--carla", "--explain", "--jobs", "--layer", "--licence", "--mapping", "--out", "--patience", "--per-file",
        "--profile",
        "--scheduler", "--source",
    },
    "gbuffer_tools.inspect": {"--frame", "--sheet"},
    "gbuffer_tools.pairs": {
        "--count", "--discard", "--first", "--high", "--jobs", "--licence", "--low", "--out", "--patience", "--profile",
        "--samples", "--size", "--step", "--textures", "--track",
    },
    "gbuffer_tools.town": {
        "--blender", "--every", "--frames", "--jobs", "--out", "--per-town", "--samples", "--seed", "--size",
    },
    "datasets.degrade": {"--degradation", "--out", "--overwrite", "--resume", "--scale", "--seed"},
    "datasets.label": {
        "--classes", "--clusters", "--count", "--device", "--method", "--out", "--seed", "--segmenter", "--vgg",
    },
    "datasets.match": {
        "--balance", "--crops", "--device", "--features", "--frames", "--index", "--jobs", "--min-cosine",
        "--neighbours", "--out", "--per-photo", "--photos", "--seed", "--statistics", "--vgg",
    },
    "train.epe": EPE,
    "train.realformer paired": LINEAR_DECAY
    | {
        "--frames", "--targets", "--features", "--streams", "--preset", "--initial", "--trainable", "--vgg",
        "--l1_weight", "--perceptual_weight", "--style_weight", "--variation_weight", "--clip", "--ema", "--precision",
    },
    "train.realformer unpaired": EPE | {"--l1_weight", "--style_weight", "--variation_weight", "--sequence"},
    "train.cut": SOLO
    | {"--frames", "--photos", "--preset", "--critic_width", "--patches", "--contrast_weight", "--ema"},
    "train.spade": SOLO
    | {
        "--photos", "--photo_labels", "--height", "--preset", "--critic_width", "--matching_weight",
        "--perceptual_weight", "--vgg",
    },
    "train.segmenter": LINEAR_DECAY
    | {
        "--images", "--labels", "--classes", "--validation", "--validation_labels", "--height", "--width", "--zoom",
        "--jitter", "--balance", "--precision",
    },
    "train.upscaler": LINEAR_DECAY
    | {
        "--images", "--small", "--held_out", "--degradation", "--guides", "--preset", "--initial", "--trainable",
        "--critic", "--critic_rate", "--sharpen", "--pixels", "--pixel_weight", "--perceptual_weight", "--perceptual",
        "--gan_weight", "--gan_rule", "--vgg", "--ema", "--precision",
    },
    "train.vqgan": LINEAR_DECAY
    | {
        "--images", "--validation", "--content", "--labels", "--validation_labels", "--classes", "--features",
        "--height", "--preset", "--codes", "--code_width", "--unit_codes", "--initial", "--perceptual_weight",
        "--codebook_weight", "--beta", "--legacy_beta", "--gan_weight", "--gan_start", "--critic_warmup",
        "--critic_rate", "--average_codes", "--kmeans", "--restart_below", "--vgg", "--precision",
    },
    "train.codes": LINEAR_DECAY
    | {
        "--images", "--autoencoder", "--condition", "--condition_autoencoder", "--labels", "--classes", "--validation",
        "--validation_labels", "--height", "--variants", "--initial", "--layers", "--width", "--heads", "--unmasked",
        "--dropout", "--keep", "--weight_decay", "--precision",
    },
    "train.style": {
        "--config", "--print_config", "--method", "--photos", "--out", "--licence", "--unpooling", "--vgg", "--height",
        "--crop", "--batch", "--steps", "--rate", "--feature_weight", "--device", "--seed", "--log_every",
        "--preview_every", "--save_every",
    },
    "eval.baselines": set(),
    "eval.baselines cut": {"--model", "--out", "--overwrite", "--source"},
    "eval.baselines spade": {"--labels", "--model", "--out", "--overwrite", "--source"},
    "eval.baselines grade": {"--out", "--overwrite", "--seed", "--source", "--target"},
    "eval.baselines reinhard": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines bicubic": {"--out", "--overwrite", "--scale", "--source"},
    "eval.baselines soften": {"--out", "--overwrite", "--seed", "--source"},
    "eval.baselines histogram": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines idt": {"--out", "--overwrite", "--seed", "--source", "--target"},
    "eval.baselines transport": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines photowct": {
        "--device", "--model", "--out", "--overwrite", "--source", "--source-labels", "--target", "--target-labels",
    },
    "eval.baselines wct2": {
        "--at", "--device", "--model", "--out", "--overwrite", "--source", "--source-labels", "--target",
        "--target-labels",
    },
    "eval.report": {"--out"},
    "eval.content": {"--device", "--fake", "--out", "--real", "--resamples", "--seed", "--truth"},
    "eval.control": {"--depth", "--depth-multiple", "--fake", "--frames", "--out", "--resamples", "--seed"},
    "eval.segmentation": {"--classes", "--fake", "--frames", "--out", "--resamples", "--seed", "--segmenter"},
    "eval.sets": {
        "--cache", "--clip", "--device", "--fake", "--fake-labels", "--inception", "--out", "--photo-filter", "--real",
        "--real-labels", "--resamples", "--seed", "--style", "--vgg",
    },
    "eval.temporal": {"--fake", "--frames", "--motion", "--out", "--resamples", "--seed"},
    "eval.skvd": {
        "--batch", "--candidates", "--class-groups", "--crops", "--device", "--fake", "--fake-labels", "--floor",
        "--floor-labels", "--memory", "--out", "--per-class", "--photo-filter", "--pooling", "--precision",
        "--protocol", "--real", "--real-labels", "--resamples", "--scaling", "--scratch", "--seed", "--vgg",
    },
    "eval.trial": {
        "--cache", "--candidates", "--clip", "--crops", "--degradations", "--degrade", "--device", "--height",
        "--inception", "--labels", "--max-photos", "--max-pictures", "--order", "--out", "--photo-filter", "--photos",
        "--resamples", "--seed", "--subsets", "--vgg",
    },
    "app.assets": set(),
    "app.assets fetch": {"--dir", "--file"},
    "app.assets list": {"--dir"},
    "app.atari": {"--every", "--frames", "--game", "--out", "--seed"},
    "app.convert": {"--description", "--heads", "--licence", "--out", "--overwrite", "--part"},
    "app.enhance": {
        "--backend", "--colour-only", "--device", "--exr", "--independent-tiles", "--linear", "--mask", "--out",
        "--guides", "--overwrite", "--precision", "--prior", "--redraw", "--resume", "--seed", "--strength", "--style",
        "--tile", "--upscale", "--upscale-first", "--upscaler",
    },
    "app.upscale": {
        "--circular", "--device", "--format", "--guides", "--out", "--overwrite", "--precision", "--resume", "--tile",
    },
    "app.compare": {"--key", "--max-frames", "--out", "--overwrite"},
    "app.export": {"--onnx", "--overwrite"},
    "app.photographs": {"--out"},
    "app.models": {"--json", "--size"},
    "app.sample": {
        "--autoencoder", "--batch", "--classes", "--complete", "--condition", "--condition-autoencoder", "--count",
        "--device", "--height", "--label", "--mask", "--out", "--overwrite", "--precision", "--seed", "--size",
        "--step", "--temperature", "--top-k", "--top-p",
    },
}  # fmt: skip
