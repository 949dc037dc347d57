# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of secrets and configs say alike."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  prune:
    description:
      - Remove old versions of the declared names that nothing uses. A service uses what stands in its specification and
        in the previous one, which a rollback needs; a release of a stack that may be restored uses what it names.
    type: bool
    default: false
notes:
  - An object belongs to a declared name when its labels and its name both say so, never because its name begins alike.
    V(db_vault_v1) is no version of V(db).
  - Values are sent to the engine in the body of the request. They are in no argument list, file, label, log or result.
  - Without pipelining Ansible puts a module with its options into a file on the node. So pipelining is turned on for
    this task, whatever C(ansible_pipelining) says. Where it can't be, nothing is sent and the task fails, that is with
    connections that have none (community.docker.nsenter), with C(become_method=su), with a terminal that ssh is told to
    request, and with C(ANSIBLE_KEEP_REMOTE_FILES).
  - When another run changes the same objects at the same time, everything is read and compared again. Two runs with the
    same values make one version.
"""

    # ansible-test reads fragments without running them, so both are written out; a unit test holds them equal.
    SECRETS = r"""
options:
  secrets:
    suboptions:
      name:
        description:
          - The logical name. Letters, digits, C(-), C(_) and C(.), a letter or digit at both ends.
          - With its version it has at most 64 characters. Names must differ in more than upper and lower case.
        type: str
        required: true
      state:
        description:
          - With V(present) there is a version with the declared value.
          - With V(absent) every version that C(owner) made and that nothing uses is removed. What a service uses, in
            its specification or in the previous one, which a rollback needs, stays, and so does what a release of a
            stack names that may be restored; it is reported, with a warning.
            So is what bears such a name and was not made by C(owner). Nothing else of the item counts then.
        type: str
        choices: [present, absent]
        default: present
      value:
        description:
          - The value, a string in UTF-8. It is kept exactly, with line endings and a trailing newline.
          - Exactly one of C(value), C(value_base64), C(file) and C(generate) is given. A value is never empty.
          - YAML makes a number of V(0123) and a boolean of V(yes); that is refused, so write such values in quotes.
        type: raw
      value_base64:
        description: The value in Base64, for one that is not text.
        type: raw
      file:
        description:
          - A file on the controller that holds the value. It is read byte for byte; one that is encrypted with
            Ansible Vault is decrypted in memory.
          - A relative path is looked for as M(ansible.builtin.copy) does it, in C(files) beside the role or the
            playbook.
        type: str
      generate:
        description:
          - Make the value once, at random, on the managed node. It is never shown.
          - It is kept as long as C(owner) has a version, even if C(length) or C(alphabet) change.
        type: dict
        suboptions:
          length:
            description: The number of characters, from 8 to 1024.
            type: int
            default: 32
          alphabet:
            description: The characters to choose from, each of them once. At least two, and all can be printed.
            type: str
            default: abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789
      labels:
        description:
          - Labels of the object. Every value is a string.
          - Left out, the labels stay as they are; V({}) removes all but this collection's own.
        type: dict
      adopt:
        description:
          - Take over what is there under this name already, instead of refusing. Objects are labelled, none is
            duplicated.
          - Where nobody has labelled a version yet, the newest object is taken, as V(jwt_secret_v1) made by hand. Of
            another owner, all versions are taken.
          - What is made by hand beside labelled versions is left alone, with a warning; a new version is made above
            it.
          - A name must be written as it is in the swarm, with its upper and lower case.
          - Give it to one owner only. Two that adopt the same name take it from each other in every run.
        type: bool
        default: false
"""

    CONFIGS = r"""
options:
  configs:
    suboptions:
      name:
        description:
          - The logical name. Letters, digits, C(-), C(_) and C(.), a letter or digit at both ends.
          - With its version it has at most 64 characters. Names must differ in more than upper and lower case.
        type: str
        required: true
      state:
        description:
          - With V(present) there is a version with the declared value.
          - With V(absent) every version that C(owner) made and that nothing uses is removed. What a service uses, in
            its specification or in the previous one, which a rollback needs, stays, and so does what a release of a
            stack names that may be restored; it is reported, with a warning.
            So is what bears such a name and was not made by C(owner). Nothing else of the item counts then.
        type: str
        choices: [present, absent]
        default: present
      value:
        description:
          - The value, a string in UTF-8. It is kept exactly, with line endings and a trailing newline.
          - Exactly one of C(value), C(value_base64), C(file) and C(generate) is given. A value is never empty.
          - YAML makes a number of V(0123) and a boolean of V(yes); that is refused, so write such values in quotes.
        type: raw
      value_base64:
        description: The value in Base64, for one that is not text.
        type: raw
      file:
        description:
          - A file on the controller that holds the value. It is read byte for byte; one that is encrypted with
            Ansible Vault is decrypted in memory.
          - A relative path is looked for as M(ansible.builtin.copy) does it, in C(files) beside the role or the
            playbook.
        type: str
      generate:
        description:
          - Make the value once, at random, on the managed node. It is never shown.
          - It is kept as long as C(owner) has a version, even if C(length) or C(alphabet) change.
        type: dict
        suboptions:
          length:
            description: The number of characters, from 8 to 1024.
            type: int
            default: 32
          alphabet:
            description: The characters to choose from, each of them once. At least two, and all can be printed.
            type: str
            default: abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789
      labels:
        description:
          - Labels of the object. Every value is a string.
          - Left out, the labels stay as they are; V({}) removes all but this collection's own.
        type: dict
      adopt:
        description:
          - Take over what is there under this name already, instead of refusing. Objects are labelled, none is
            duplicated.
          - Where nobody has labelled a version yet, the newest object is taken, as V(jwt_secret_v1) made by hand. Of
            another owner, all versions are taken.
          - What is made by hand beside labelled versions is left alone, with a warning; a new version is made above
            it.
          - A name must be written as it is in the swarm, with its upper and lower case.
          - Give it to one owner only. Two that adopt the same name take it from each other in every run.
        type: bool
        default: false
"""

    DIGEST = r"""
options:
  digest_key:
    description:
      - The key of the digests, at least 16 characters, long and random, and the same in every run.
      - Left out, the key is kept in the swarm; the notes say what that means.
    type: str
notes:
  - A secret can't be read back. To know whether a value has changed, each secret carries a keyed digest of its value
    (HMAC-SHA256 over the kind, the name and the value) in the label C(flotilla.swarm.digest). Without the key that
    label tells nothing about the value.
  - By default the key is made once, at random, and kept in the swarm as the config C(flotilla_digest_key). A config
    is readable only through the API of a manager, and who may use all of that can mount any secret into a container
    anyway. Who may only read from it (a socket proxy that lets GET pass) could test guesses at weak values;
    O(digest_key) prevents that.
  - When the key is another one than before, or was removed, values can't be compared. Every secret that is not
    generated then gets a new version, and a warning says why.
"""
