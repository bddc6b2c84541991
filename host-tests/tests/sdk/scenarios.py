"""What every program here does: scenarios.json, which the programs in other languages read as well."""

import json
import pathlib

SCENARIOS = json.loads(pathlib.Path(__file__).with_name("scenarios.json").read_text())
