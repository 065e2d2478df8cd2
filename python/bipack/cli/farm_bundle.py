"""An OpenJD job bundle for a Nuke script: a template with two steps, the parameters' values, the files it reads.

Step Cook makes the Bipack frames, in chunks and with a GPU where one was asked for; step Render runs the Writes over
them afterwards, on any machine. User values travel as arguments only: inside an embedded script they would be code.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List

from bipack import atomic
from bipack.errors import CorruptInput, UsageError


@dataclass(frozen=True)
class Job:
    """What is to be done."""

    script: str
    frames: str
    """Range with `-` and `,` only, which OpenJD and Bipack read alike."""

    writes: str
    name: str
    chunk: int
    gpus: int
    cache: str
    nuke: str
    bipack: str


def write(job: Job, folder: str) -> List[str]:
    """Write the bundle into `folder`; returns its files. Raises DiskError."""
    contents = {
        "template.json": template(job),
        # The same values twice: as Deadline Cloud's bundles have them, and as the `openjd` command takes them.
        "parameter_values.json": {"parameterValues": [{"name": name, "value": value} for name, value in _values(job)]},
        "parameters.json": dict(_values(job)),
        "asset_references.json": {
            "assetReferences": {
                "inputs": {"filenames": [job.script], "directories": []},
                "outputs": {"directories": []},
                "referencedPaths": [],
            }
        },
    }
    paths = []
    for name, data in contents.items():
        path = os.path.join(os.path.abspath(folder), name)
        atomic.write_bytes(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
        paths.append(path)
    return paths


def template(job: Job) -> Dict[str, Any]:
    """The job template (OpenJD 2023-09 with chunked tasks)."""
    cook = _step("Cook", "cook")
    if job.gpus:
        cook["hostRequirements"] = {"amounts": [{"name": "amount.worker.gpu", "min": job.gpus}]}
    render = {**_step("Render", "render"), "dependencies": [{"dependsOn": "Cook"}]}
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": "{{Param.JobName}}",
        "parameterDefinitions": [
            {"name": "JobName", "type": "STRING", "default": "Bipack"},
            {"name": "NukeScript", "type": "PATH", "objectType": "FILE", "dataFlow": "IN"},
            {"name": "Frames", "type": "STRING", "description": "Frames, e.g. 1001-1010 or 1001-1010:2"},
            {"name": "Writes", "type": "STRING", "default": "", "description": "Writes, joined by commas"},
            {"name": "ChunkSize", "type": "INT", "default": 10, "minValue": 1, "description": "Frames of a task"},
            {"name": "Cache", "type": "STRING", "default": "", "description": "Shared folder for cooked frames"},
            {"name": "Nuke", "type": "STRING", "default": "nuke", "description": "Nuke's executable on the workers"},
            {"name": "Bipack", "type": "STRING", "default": "bipack", "description": "The bipack command there"},
        ],
        "steps": [cook, render],
    }


def _step(name: str, step: str) -> Dict[str, Any]:
    arguments = ["farm", "cook", "{{Param.NukeScript}}", "--frames={{Task.Param.Frame}}", "--step", step]
    arguments += ["--write={{Param.Writes}}", "--cache={{Param.Cache}}", "--nuke={{Param.Nuke}}"]
    return {
        "name": name,
        "parameterSpace": {
            "taskParameterDefinitions": [
                {
                    "name": "Frame",
                    "type": "CHUNK[INT]",
                    "range": "{{Param.Frames}}",
                    "chunks": {"defaultTaskCount": "{{Param.ChunkSize}}", "rangeConstraint": "NONCONTIGUOUS"},
                }
            ]
        },
        "script": {
            "actions": {
                "onRun": {
                    "command": "{{Param.Bipack}}",
                    "args": arguments,
                    "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 10},
                }
            }
        },
    }


def _values(job: Job) -> List[Any]:
    return [
        ("JobName", job.name),
        ("NukeScript", job.script),
        ("Frames", job.frames),
        ("Writes", job.writes),
        ("ChunkSize", job.chunk),
        ("Cache", job.cache),
        ("Nuke", job.nuke),
        ("Bipack", job.bipack),
    ]


def script_range(script: str) -> str:
    """The script's own frame range, read from its Root.

    Raises UsageError when the script does not say, CorruptInput when it cannot be read.
    """
    try:
        with open(script, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError as error:
        raise CorruptInput(f"Script {script} cannot be read: {error.strerror}.") from error
    root = re.search(r"^Root \{$(.*?)^\}$", text.replace("\r\n", "\n"), re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"^ (first_frame|last_frame) (-?\d+)$", root.group(1), re.MULTILINE)) if root else {}
    if "last_frame" not in found:
        raise UsageError(f"Script {script} does not say which frames it has. Give them with --frames 1001-1100.")
    return f"{found.get('first_frame', '1')}-{found['last_frame']}"
