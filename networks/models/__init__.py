"""What a network is, one file each; the registry, the weight files and where they lie."""
