"""What the one-vector encoder is compared with: keywords, dual tower, perceptual hash."""
