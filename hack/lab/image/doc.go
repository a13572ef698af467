// Package image makes container images without Docker and without a registry.
//
// Key: an image archive's file name, which changes with its content. Test images are packed from static programs (Write), the product's is built by
// buildah from dist/images/Dockerfile on a base system made by mmdebstrap (Builder). It writes below the lab's cache and bin/image/.
package image
