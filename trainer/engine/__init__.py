"""The loops: collect, learn, evaluate, save; composed from ops, policies and environments."""
