"""The algorithm's ops: one small documented module each."""
