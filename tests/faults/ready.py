"""What every process that is started here begins with, so that one is under way in a tenth of a second: what it
imports, the benchmark, and the hash of the code."""

import genai_prices  # noqa: F401
import openai  # noqa: F401
import pandas as pd  # noqa: F401
from common import BASE_URL, CHOICES, bench

from fgo_kit.calls.providers import load_llm
from fgo_kit.runs.run import chosen_for, config_of, run

_llm = load_llm("openai:small", base_url=BASE_URL)
config_of(bench(), _llm, chosen_for(bench(), _llm, run, CHOICES)[0])
