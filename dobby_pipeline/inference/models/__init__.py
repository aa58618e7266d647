"""Models as releases: manifests, pulling, converting, verifying and listing them."""
