"""The relations of the Cozo database and the migrations that make them."""
