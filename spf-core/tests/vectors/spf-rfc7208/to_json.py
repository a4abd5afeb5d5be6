#!/usr/bin/env python3
"""Turns rfc7208-tests.yml into rfc7208-tests.json: the same data in the same order. Needs PyYAML. Run it in this folder."""
import json
import yaml


class Loader(yaml.SafeLoader):
    """Scalars stay text: no numbers, dates or booleans are guessed."""


Loader.yaml_implicit_resolvers = {}
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_str)
with open("rfc7208-tests.yml", encoding="utf-8") as source, open("rfc7208-tests.json", "w", encoding="ascii") as target:
    scenarios = [document for document in yaml.load_all(source, Loader) if document]
    json.dump(scenarios, target, indent=1)
    target.write("\n")
