"""The exported app in APP_CONFIG_DIR, read once, at first use."""

from collections.abc import Mapping
from pathlib import Path

from shared.app.files import AppError
from shared.app.model import App, AuthenticationTrigger, Providers
from shared.settings import Settings

_WITHOUT_APP = Providers(api_key=True)


class ExportedApp:
    """The app of a deployment, if it has one."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str]) -> None:
        """Take the folder, and the values of the app's secrets by folded name."""
        self._settings = settings
        self._secrets = secrets
        self._read: App | AppError | None = None

    @property
    def app(self) -> App | None:
        """The app, None without APP_CONFIG_DIR; raise AppError, each time, if there is a mistake in it."""
        if self._read is None and self._settings.app_config_dir:
            self._read = self._load()
        if isinstance(self._read, AppError):
            raise self._read.with_traceback(None)  # else it grows with each call
        return self._read

    @property
    def providers(self) -> Providers:
        """The authentication providers; without an app there are none but API keys."""
        return _WITHOUT_APP if self.app is None else self.app.providers

    @property
    def authentication_triggers(self) -> tuple[AuthenticationTrigger, ...]:
        """What follows what users do; nothing while there is a mistake in the app, as an operator may still act."""
        try:
            return () if self.app is None else self.app.authentication_triggers
        except AppError:
            return ()

    @property
    def app_id(self) -> str:
        """APP_ID, else the app's own id, "" without either."""
        return self._settings.app_id or (self.app.app_id if self.app else "")

    def _load(self) -> App | AppError:
        from shared.app.reading import load  # noqa: PLC0415  only a deployment that has an app compiles one

        folder, data_sources = Path(self._settings.app_config_dir), frozenset(self._settings.data_sources)
        try:
            return load(folder, self._secrets, data_sources, has_http=bool(self._settings.http_hosts))
        except AppError as error:
            return error
