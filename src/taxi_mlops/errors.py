"""The exceptions that are shown to users.

Every error that the command line shows without a traceback derives from `TaxiError`; its message is one clear
line with the value and the fix. `exit_code` is that of the process.
"""


class TaxiError(Exception):
    """An error that the user can understand. Exit code 1."""

    exit_code = 1


class UsageError(TaxiError, ValueError):
    """The command line, arguments, specification or settings are wrong. Exit code 2."""

    exit_code = 2


class UnknownParameterError(UsageError, TypeError):
    """There is no parameter of this name."""


class DataError(UsageError):
    """The trips cannot be used: missing, corrupt, of an unknown schema, or empty after cleaning."""


class DataNotFoundError(DataError, FileNotFoundError):
    """There is no such file of trips."""


class DataTypeError(DataError, TypeError):
    """Trips cannot be read from an object of this type."""


class DownloadError(TaxiError):
    """A server refused, stopped sending, or sent something else than it had announced."""


class AdapterUnavailableError(UsageError):
    """An adapter is unknown, or its library is not installed."""


class LibraryMissingError(UsageError, ImportError):
    """An optional library is not installed."""


class RunFolderError(UsageError):
    """The output folder cannot be used: locked by another run, not a run, or of a different run."""


class RunFolderInUseError(RunFolderError):
    """Another process is working in the folder."""


class ServiceError(TaxiError):
    """A service is missing, unreachable, or refuses. Passwords are masked in the message."""


class SecretError(ServiceError):
    """A secret that a setting refers to cannot be had. No secret is in the message."""


class SecretsUnavailableError(SecretError):
    """A store of secrets does not answer now; a value that was fetched before may still be used."""
