"""Training: an artist's pairs, or pictures made by degradation, into a verified ONNX model with its card."""
