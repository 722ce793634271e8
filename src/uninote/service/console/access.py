"""Paths of the console that several files name."""

HOME = "/"
SIGN_IN = "/console/sign-in"
PICTURES = "/console/pictures/{digest}"
