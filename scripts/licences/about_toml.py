"""Prints cargo-about's settings, with the licences that deny.toml allows: they are listed once."""

import json
import tomllib

with open("deny.toml", "rb") as file:
    deny = tomllib.load(file)

# JSON's strings and lists are TOML's, too.
print("accepted =", json.dumps(deny["licenses"]["allow"]))
print("targets =", json.dumps(deny["graph"]["targets"]))
# What is not in the programs.
print("ignore-dev-dependencies = true")
print("ignore-build-dependencies = true")
print("private = { ignore = true }")
