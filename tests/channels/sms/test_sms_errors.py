"""What an SMSC's codes come to: table 5-2 of SMPP 3.4 row by row, and the errors of MAP."""

from collections.abc import Mapping

import pytest

from whimbrel.channels.connector import SubmitFault
from whimbrel.channels.sms.errors import (
    VERDICTS,
    Verdict,
    answer_verdict,
    network_error,
    own_codes,
)
from whimbrel.domain.status import ErrorCode

OURS = (SubmitFault.REFUSED, ErrorCode.UNKNOWN, None)
LATER = (SubmitFault.RETRY, ErrorCode.TIMEOUT, None)
TOO_FAST = (SubmitFault.NUMBER_THROTTLED, ErrorCode.TIMEOUT, None)
BAD_SENDER = (SubmitFault.REFUSED, ErrorCode.OPER_INVSRCADDR, None)

TABLE = [
    (0x01, "ESME_RINVMSGLEN", OURS),
    (0x02, "ESME_RINVCMDLEN", OURS),
    (0x03, "ESME_RINVCMDID", OURS),
    (0x04, "ESME_RINVBNDSTS", LATER),
    (0x05, "ESME_RALYBND", LATER),
    (0x06, "ESME_RINVPRTFLG", OURS),
    (0x07, "ESME_RINVREGDLVFLG", OURS),
    (0x08, "ESME_RSYSERR", LATER),
    (0x0A, "ESME_RINVSRCADR", BAD_SENDER),
    (0x0B, "ESME_RINVDSTADR", (SubmitFault.REFUSED, ErrorCode.UNKNOWN_SUBSCRIBER, None)),
    (0x0C, "ESME_RINVMSGID", OURS),
    (0x0D, "ESME_RBINDFAIL", LATER),
    (0x0E, "ESME_RINVPASWD", LATER),
    (0x0F, "ESME_RINVSYSID", LATER),
    (0x11, "ESME_RCANCELFAIL", OURS),
    (0x13, "ESME_RREPLACEFAIL", OURS),
    (0x14, "ESME_RMSGQFUL", TOO_FAST),
    (0x15, "ESME_RINVSERTYP", OURS),
    (0x33, "ESME_RINVNUMDESTS", OURS),
    (0x34, "ESME_RINVDLNAME", OURS),
    (0x40, "ESME_RINVDESTFLAG", OURS),
    (0x42, "ESME_RINVSUBREP", OURS),
    (0x43, "ESME_RINVESMCLASS", OURS),
    (0x44, "ESME_RCNTSUBDL", OURS),
    (0x45, "ESME_RSUBMITFAIL", (SubmitFault.RETRY, ErrorCode.FAILURE, 3)),
    (0x48, "ESME_RINVSRCTON", BAD_SENDER),
    (0x49, "ESME_RINVSRCNPI", BAD_SENDER),
    (0x50, "ESME_RINVDSTTON", OURS),
    (0x51, "ESME_RINVDSTNPI", OURS),
    (0x53, "ESME_RINVSYSTYP", OURS),
    (0x54, "ESME_RINVREPFLAG", OURS),
    (0x55, "ESME_RINVNUMMSGS", OURS),
    (0x58, "ESME_RTHROTTLED", TOO_FAST),
    (0x61, "ESME_RINVSCHED", OURS),
    (0x62, "ESME_RINVEXPIRY", OURS),
    (0x63, "ESME_RINVDFTMSGID", OURS),
    (0x64, "ESME_RX_T_APPN", LATER),
    (0x65, "ESME_RX_P_APPN", (SubmitFault.REFUSED, ErrorCode.FAILURE, None)),
    (0x66, "ESME_RX_R_APPN", (SubmitFault.REFUSED, ErrorCode.FILTERED, None)),
    (0x67, "ESME_RQUERYFAIL", OURS),
    (0xC0, "ESME_RINVOPTPARSTREAM", OURS),
    (0xC1, "ESME_ROPTPARNOTALLWD", OURS),
    (0xC2, "ESME_RINVPARLEN", OURS),
    (0xC3, "ESME_RMISSINGOPTPARAM", OURS),
    (0xC4, "ESME_RINVOPTPARAMVAL", OURS),
    (0xFE, "ESME_RDELIVERYFAILURE", (SubmitFault.REFUSED, ErrorCode.FAILURE, None)),
    (0xFF, "ESME_RUNKNOWNERR", (SubmitFault.RETRY, ErrorCode.UNKNOWN, 3)),
]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(status, verdict) for status, _, verdict in TABLE],
    ids=[name for _, name, _ in TABLE],
)
def test_each_status_of_an_answer(
    status: int, verdict: tuple[SubmitFault, ErrorCode, int | None]
) -> None:
    assert answer_verdict(status, {}) == Verdict(*verdict)


def test_the_table_has_no_other_status() -> None:
    assert set(VERDICTS) == {status for status, _, _ in TABLE}


@pytest.mark.parametrize(
    ("status", "error_codes", "error_code"),
    [
        (0x4D2, {}, ErrorCode.UNKNOWN),
        (0x4D2, {"1234": 8}, ErrorCode.UNKNOWN_SUBSCRIBER),
        (0x4D2, {"0x4D2": 14}, ErrorCode.OPER_SPAMFILTERED),
        (0x4D2, {"0x000004D2": 14}, ErrorCode.OPER_SPAMFILTERED),
        (0x4D2, {"4660": 8}, ErrorCode.UNKNOWN),
        (0x101, {"257": 11}, ErrorCode.UNROUTED),
        (0x0B, {"11": 6}, ErrorCode.UNKNOWN_SUBSCRIBER),  # 11 is the network's, not the answer's
    ],
)
def test_the_smscs_own_status_is_final(
    status: int, error_codes: Mapping[str, int], error_code: ErrorCode
) -> None:
    verdict = answer_verdict(status, own_codes(error_codes))
    assert verdict == Verdict(SubmitFault.REFUSED, error_code)


@pytest.mark.parametrize(
    ("code", "error_code"),
    [
        ("1", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("001", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("3", ErrorCode.UNROUTED),
        ("5", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("6", ErrorCode.ABSENT_SUBSCRIBER),
        ("8", ErrorCode.CALL_BARRED),
        ("9", ErrorCode.CALL_BARRED),
        ("10", ErrorCode.TELESERVICE_NOT_PROVISIONED),
        ("11", ErrorCode.TELESERVICE_NOT_PROVISIONED),
        ("12", ErrorCode.CALL_BARRED),
        ("13", ErrorCode.CALL_BARRED),
        ("21", ErrorCode.TELESERVICE_NOT_PROVISIONED),
        ("027", ErrorCode.ABSENT_SUBSCRIBER),
        ("31", ErrorCode.BUSY),
        ("32", ErrorCode.FAILURE),
        ("33", ErrorCode.MEMORY_CAPACITY_EXCEEDED),
        ("34", ErrorCode.FAILURE),
        ("35", ErrorCode.FAILURE),
        ("36", ErrorCode.FAILURE),
        ("44", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("45", ErrorCode.BUSY),
        ("0", None),
        ("000", None),
        ("", None),
        ("999", None),
        ("1000", None),
        ("1B", None),
        ("-1", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_errors_of_a_gsm_network(code: str, error_code: ErrorCode | None) -> None:
    assert network_error(code) is error_code


def test_own_codes_are_compared_without_zeros_and_capitals() -> None:
    assert own_codes({"0027": 2, " 5A ": 8, "000": 4}) == {"27": 2, "5a": 8, "0": 4}


def test_an_own_code_needs_an_error_code_of_the_reports() -> None:
    with pytest.raises(ValueError, match='"27" = 15: no errorCode of the reports'):
        own_codes({"1": 8, "27": 15})
