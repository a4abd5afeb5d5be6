#!/usr/bin/env python3
"""Turns examples.yml into examples.json: the same data in the same order. Needs PyYAML. Run it in this folder."""
import json
import yaml

with open("examples.yml", encoding="utf-8") as source, open("examples.json", "w", encoding="ascii") as target:
    json.dump(yaml.safe_load(source), target, indent=1)
    target.write("\n")
