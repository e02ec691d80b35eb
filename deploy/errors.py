"""Everything that ends an `embedstack` command before its work is done, with its code and exit status.

DeployError              failed                1
├── InvalidModel         invalid_model         1  no such model in the catalogue, or not as asked for
├── WrongRanking         wrong_ranking         1  the work was done, and what came out is wrong
├── ModelNotBuilt        model_not_built       3  the machine is in the way: nothing was started
├── PortTaken            port_taken            3
├── BridgeNotReady       bridge_not_ready      4  a part was started and is not well
├── BridgeRefused        bridge_refused        4
└── Interrupted          interrupted         130

Besides: 0 done, 2 a command line that cannot be understood (told as text, whatever was asked for).
"""


class DeployError(Exception):
    """What happened and why (`message`), and what to do next (`advice`)."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class WrongRanking(DeployError):
    code = "wrong_ranking"


class InvalidModel(DeployError):
    code = "invalid_model"


class ModelNotBuilt(DeployError):
    code = "model_not_built"
    exit_code = 3


class PortTaken(DeployError):
    code = "port_taken"
    exit_code = 3


class BridgeNotReady(DeployError):
    code = "bridge_not_ready"
    exit_code = 4


class BridgeRefused(DeployError):
    code = "bridge_refused"
    exit_code = 4


class Interrupted(DeployError):
    code = "interrupted"
    exit_code = 130
