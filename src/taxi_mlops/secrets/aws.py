"""Secrets in AWS Secrets Manager, with the credentials and the region that boto3 finds."""

from __future__ import annotations

import json

from taxi_mlops.errors import SecretError, SecretsUnavailableError

INSTALL = "pip install 'taxi-mlops[s3]'"
_SECONDS = 5.0
_REASONS = {
    "ResourceNotFoundException": "there is no such secret in this account and region",
    "InvalidRequestException": "the secret is marked for deletion; restore it, or name another",
    "AccessDeniedException": "permission denied; the credentials need secretsmanager:GetSecretValue for it",
    "DecryptionFailure": "permission denied for the key that the secret is encrypted with",
    "ExpiredTokenException": "the credentials have expired; sign in again",
    "ExpiredToken": "the credentials have expired; sign in again",
    "UnrecognizedClientException": "the credentials are not valid",
    "InvalidClientTokenId": "the credentials are not valid",
    "InvalidSignatureException": "the credentials are not valid",
}


def from_secrets_manager(name: str, key: str | None) -> str:
    """Return a secret, or the value of a key if it is a JSON object. name: name or ARN. Raises SecretError."""
    text = _secret_text(name)
    if key is None:
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise SecretError("the secret has no keys, since it is no JSON object; leave out what follows #")
    if key not in fields:
        raise SecretError(f"the secret has no key {key!r}")
    if not isinstance(fields[key], str) or not fields[key]:
        raise SecretError(f"the value of key {key!r} is not text, or empty")
    return str(fields[key])


def _secret_text(name: str) -> str:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            NoCredentialsError,
            NoRegionError,
            PartialCredentialsError,
        )
    except ImportError:
        raise SecretError(f"the package boto3 is not installed; install it with: {INSTALL}") from None
    try:
        config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 2})
        answer = boto3.session.Session().client("secretsmanager", config=config).get_secret_value(SecretId=name)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise SecretError(_REASONS.get(code, f"AWS Secrets Manager refuses ({code[:80]})")) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise SecretError("there are no AWS credentials; sign in, or set AWS_ACCESS_KEY_ID …") from None
    except NoRegionError:
        raise SecretError("there is no AWS region; set AWS_DEFAULT_REGION") from None
    except (ConnectionError, HTTPClientError) as error:
        raise SecretsUnavailableError(f"AWS Secrets Manager does not answer ({type(error).__name__})") from None
    except (BotoCoreError, ValueError) as error:
        raise SecretError(f"AWS Secrets Manager cannot be asked ({type(error).__name__})") from None
    if not isinstance(answer.get("SecretString"), str) or not answer["SecretString"]:
        raise SecretError("the secret is binary or empty, not text")
    return str(answer["SecretString"])
