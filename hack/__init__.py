"""What a machine needs to build and test the product: tool builds, images, a cluster. Standard library only."""
