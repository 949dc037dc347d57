# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image the lab's registry has under a name."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: lab_published
author: the flotilla.swarm authors
short_description: Image IDs that the lab's registry has under the given names
description:
  - Answers, for each name, the IDs by which an engine may know the image that the registry has under that name.
  - One request a name; a program of its own for each would cost more than pushing.
options:
  _terms:
    description: Names as C(repository:tag).
    type: list
    elements: str
    required: true
  registry:
    description: Address of the registry, C(host:port), plain HTTP.
    type: str
    required: true
"""

EXAMPLES = """
- ansible.builtin.debug:
    msg: "{{ query('lab_published', 'redis:8', registry='127.0.0.1:5077') }}"
"""

RETURN = """
_raw:
  description:
    - Per name a list of IDs, empty when the registry has no such image.
    - The first is the configuration's digest (an engine's own image store), the second the manifest's (containerd's).
  type: list
  elements: list
"""

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
SECONDS = 10


def published_ids(registry: str, name: str) -> list[str]:
    """The IDs of ``name`` in ``registry``; empty when it has none, ``OSError`` when it does not answer."""
    repository, _colon, tag = name.rpartition(":")
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310 - the scheme is written above
            manifest = response.read()
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return []
        raise
    return [json.loads(manifest)["config"]["digest"], "sha256:" + hashlib.sha256(manifest).hexdigest()]


class LookupModule(LookupBase):  # type: ignore[misc] # ansible-core ships no types
    """Ansible looks for this class."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[list[str]]:
        self.set_options(var_options=variables, direct=kwargs)
        registry = self.get_option("registry")
        try:
            return [published_ids(registry, name) for name in terms]
        except OSError as error:
            raise AnsibleLookupError(f"the lab's registry at {registry} does not answer: {error}") from error
