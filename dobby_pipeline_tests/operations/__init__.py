"""What a team's machines do to the pipeline: kills, one after the other."""
