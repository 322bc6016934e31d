"""What all plain data is made of: frozen models, one error for refused input; the lowest layer of the trainer."""
