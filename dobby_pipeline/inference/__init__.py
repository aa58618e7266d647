"""MLX: the device, the models, and the pool of sessions over one copy of the weights."""
