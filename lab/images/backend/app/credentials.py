"""Secrets as a swarm service gets them: files under /run/secrets, read when they are needed."""

from __future__ import annotations

from pathlib import Path

REQUIRED = ("database_url", "redis_password", "jwt_secret", "encryption_key")


class SecretError(Exception):
    """A secret is missing, unreadable or empty. The message names the secret and never its value."""


class Credentials:
    """The secrets below ``directory``, one file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> str:
        """The secret's text without the newline that many tools end a file with; ``SecretError`` if there is none."""
        path = self._directory / name
        try:
            value = path.read_text(encoding="utf-8").rstrip("\n")
        except FileNotFoundError:
            raise SecretError(f"secret {name} is not mounted at {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"secret {name} cannot be read from {path}: {type(error).__name__}") from None
        if not value:
            raise SecretError(f"secret {name} at {path} is empty")
        return value

    def check(self) -> None:
        """``SecretError`` unless every required secret can be read."""
        for name in REQUIRED:
            self.read(name)
