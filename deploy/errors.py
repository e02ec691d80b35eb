"""Everything that ends an `embedstack` command before its work is done, with its code and exit status.

DeployError              failed                1
├── InvalidModel         invalid_model         1  no such model in the catalogue, or not as asked for
├── WrongRanking         wrong_ranking         1  the work was done, and what came out is wrong
├── WrongBytes           wrong_bytes           1  a file is not the one that the catalogue names
├── ModelRefused         model_refused         1  a model file would give wrong vectors
├── SmokeFailed          smoke_failed          1  the stack answers, and not rightly
├── ReindexFailed        reindex_failed        1  some of it was not embedded again
├── InvalidSettings      invalid_settings      2  a setting that cannot be used
│   └── FileDamaged      file_damaged          2  a file that is not of its format any more
├── ExtraMissing         extra_missing         3  the machine has to change first: nothing was started
├── ModelNotBuilt        model_not_built       3
├── PortTaken            port_taken            3
├── NotEnoughSpace       not_enough_space      3
├── FolderNotUsable      folder_not_usable     3
├── EngineNotUsable      engine_not_usable     3
├── Blocked              blocked               3
├── WebuiUnsupported     webui_unsupported     3
├── BridgeNotReady       bridge_not_ready      4  a part was started and is not well
├── BridgeRefused        bridge_refused        4
├── EngineRefused        engine_refused        4
├── PartNotReady         part_not_ready        4
│   └── WebuiRefused     webui_refused         4  Open WebUI answered with an error
├── CommandFailed        command_failed        4
├── NotRunning           not_running           4
├── HubUnreachable       hub_unreachable       5  something outside this machine was not available
├── HubRefused           hub_refused           5
├── IndexWouldBreak      index_would_break     6  what is indexed could not be searched any more
└── Interrupted          interrupted         130

Besides: 0 done, 2 a command line that cannot be understood (reported as text, whatever was asked for).
"""

from embedstack.words import sentence


class DeployError(Exception):
    """What happened and why (`message`), and what to do next (`advice`)."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = sentence(message)
        self.advice = sentence(advice)


class WrongRanking(DeployError):
    code = "wrong_ranking"


class InvalidModel(DeployError):
    code = "invalid_model"


class WrongBytes(DeployError):
    code = "wrong_bytes"


class ModelRefused(DeployError):
    code = "model_refused"


class SmokeFailed(DeployError):
    code = "smoke_failed"


class ReindexFailed(DeployError):
    code = "reindex_failed"


class InvalidSettings(DeployError):
    code = "invalid_settings"
    exit_code = 2


class FileDamaged(InvalidSettings):
    code = "file_damaged"


class ExtraMissing(DeployError):
    code = "extra_missing"
    exit_code = 3


class ModelNotBuilt(DeployError):
    code = "model_not_built"
    exit_code = 3


class PortTaken(DeployError):
    code = "port_taken"
    exit_code = 3


class NotEnoughSpace(DeployError):
    code = "not_enough_space"
    exit_code = 3


class FolderNotUsable(DeployError):
    code = "folder_not_usable"
    exit_code = 3


class EngineNotUsable(DeployError):
    code = "engine_not_usable"
    exit_code = 3


class Blocked(DeployError):
    code = "blocked"
    exit_code = 3


class WebuiUnsupported(DeployError):
    code = "webui_unsupported"
    exit_code = 3


class BridgeNotReady(DeployError):
    code = "bridge_not_ready"
    exit_code = 4


class BridgeRefused(DeployError):
    code = "bridge_refused"
    exit_code = 4


class EngineRefused(DeployError):
    code = "engine_refused"
    exit_code = 4


class PartNotReady(DeployError):
    code = "part_not_ready"
    exit_code = 4


class WebuiRefused(PartNotReady):
    """`status`: of its answer, where there was one."""

    code = "webui_refused"

    def __init__(self, message: str, advice: str = "", status: int | None = None) -> None:
        super().__init__(message, advice)
        self.status = status


class CommandFailed(DeployError):
    code = "command_failed"
    exit_code = 4


class NotRunning(DeployError):
    code = "not_running"
    exit_code = 4


class HubUnreachable(DeployError):
    code = "hub_unreachable"
    exit_code = 5


class HubRefused(DeployError):
    code = "hub_refused"
    exit_code = 5


class IndexWouldBreak(DeployError):
    code = "index_would_break"
    exit_code = 6


class Interrupted(DeployError):
    code = "interrupted"
    exit_code = 130
