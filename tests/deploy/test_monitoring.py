"""Alerts and panels ask for metrics that the plane really has, under the labels it gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.served import served
from tests.standins.runpod import refusing

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\brushes_\w+")


def expressions() -> Iterator[str]:
    for group in yaml.safe_load((DEPLOY / "prometheus/rushes.rules.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((DEPLOY / "grafana/dashboards/rushes.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.fixture
async def told(tmp_path: Path) -> dict[str, set[str]]:
    """Every metric of a plane that has seen a job succeed, one fail and one wait, with its labels."""
    found: dict[str, set[str]] = {}
    async with served(tmp_path, budget_daily_usd=100.0, budget_monthly_usd=100.0, gpu_usd_per_second=0.001) as api:
        await api.finish(await api.job_id())
        api.runpod.fail_next("run", refusing(400))
        await api.get(await api.job_id(), Prefer="wait=10")
        await api.job_id()
        await api.app.state.services.monitor.look()
        for family in text_string_to_metric_families((await api.client.get("/metrics")).text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_alerts_and_panels_ask_for_what_there_is(told: dict[str, set[str]]) -> None:
    for expression in expressions():
        names = METRIC.findall(expression)
        assert set(names) <= told.keys(), expression
        asked = set(re.findall(r"(\w+)=\"", expression)) - {"job"}
        grouped = {label for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(", ")}
        has = set().union(*(told[name] for name in names))
        assert asked | grouped <= has, expression
