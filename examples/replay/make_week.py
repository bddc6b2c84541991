"""Makes week.log.gz: a week of cost records of a company that does not exist, as a proxy would have logged them.

The same each time. Sixty users of three tiers, office hours, three features; on Thursday afternoon one program calls
itself in a loop.
"""

import gzip
import json
import math
import random
from datetime import datetime, timedelta

random.seed(20261116)
MODELS = {"gpt-4o": (2500, 10000, "openai"), "gpt-4o-mini": (150, 600, "openai"),
          "claude-sonnet-4-5": (3000, 15000, "anthropic")}
FEATURES = {"assistant": ("claude-sonnet-4-5", 2400, 420), "search": ("gpt-4o-mini", 900, 120),
            "summaries": ("gpt-4o", 5200, 260)}
USERS = [(f"u-{i:02}", "enterprise" if i < 4 else "pro" if i < 18 else "free", 1 / (i + 1.5) ** 0.8) for i in range(60)]
START = datetime(2026, 11, 16)


def around(middle, spread):
    return max(8, round(middle * math.exp(random.gauss(0, spread))))


def record(at, user, tier, feature):
    model, prompt, answer = FEATURES[feature]
    usage = {"input": around(prompt, 0.7), "output": around(answer, 0.6), "source": "reported"}
    price_in, price_out, provider = MODELS[model]
    dialect = "anthropic-messages" if provider == "anthropic" else "openai-chat"
    time = at.isoformat(timespec="milliseconds") + "Z"
    line = {"id": f"week-{len(lines):04}", "time": time, "duration_ms": 400 + usage["output"] * 18, "policy": "metering", "dialect": dialect,
            "provider": provider, "stream": False, "identity": {"user": user, "tier": tier, "feature": feature},
            "model_requested": model, "model_served": model, "model_answered": model, "decision": "allow",
            "status": 200, "ending": "complete", "usage": usage, "hold_tokens": 0,
            "cost_nano_usd": usage["input"] * price_in + usage["output"] * price_out, "priced": True,
            "price": f"{provider}/{model}", "prices_as_of": "2026-11-22"}
    return at + timedelta(milliseconds=line["duration_ms"]), "[info] wasm log tokenstile: tokenstile-record " + json.dumps(line)


lines = []
for day in range(7):
    for minute in range(24 * 60):
        hour = minute / 60
        busy = 1.9 * math.exp(-((hour - 14) / 3.6) ** 2) * (0.15 if day > 4 else 1)
        for _ in range(int(busy) + (random.random() < busy % 1)):
            user, tier, _ = random.choices(USERS, [weight for *_, weight in USERS])[0]
            feature = random.choices(list(FEATURES), [45, 40, 15])[0]
            at = START + timedelta(days=day, minutes=minute, seconds=random.random() * 60)
            lines.append(record(at, user, tier, feature))
for call in range(400):
    lines.append(record(START + timedelta(days=3, hours=15, seconds=call * 11), "u-23", "free", "assistant"))

with open("week.log.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
    for _, line in sorted(lines):
        out.write(line.encode() + b"\n")
