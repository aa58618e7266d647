"""Which records need a summary, their prompts, and the generation of summaries."""
