"""Upload of an exported folder to the hub, as in `push_to_hub` of other libraries."""

from __future__ import annotations

from pathlib import Path

from uninote.errors import ModelError, reason_of


def push_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    commit_message: str = "Upload UniNote model",
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload an exported folder; the repository is made when it is missing. Returns the commit's address.

    Args:
        revision: a branch, made when it is missing; None for the main one.
        token: None for the one of `hf auth login` or HF_TOKEN. It is never logged or stored.

    Raises ModelError when the folder is no export, or the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    folder = Path(folder)
    if not (folder / "README.md").is_file():
        raise ModelError(f"{folder} is no exported model (it has no card): write one with `uninote export`")
    api = HfApi(token=token)
    try:
        repository = api.create_repo(repo_id, private=private, repo_type="model", exist_ok=True)
        if revision is not None:
            api.create_branch(repository.repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository.repo_id, folder_path=folder, commit_message=commit_message, revision=revision
        )
    except LocalTokenNotFoundError as error:
        raise ModelError("no token for the hub: run `hf auth login` or set HF_TOKEN") from error
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        reason = reason_of(error)
        raise ModelError(f"{repo_id} cannot be uploaded: {reason}") from error
    return str(commit.commit_url)
