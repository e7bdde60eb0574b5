"""Fixed networks whose features are used: VGG16, Inception v3, CLIP."""
