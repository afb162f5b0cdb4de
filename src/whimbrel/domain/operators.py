"""The networks of Russian operators: from the registry's operator to `mccMnc` in reports.

The registry names an operator by its tax number (INN, `ИНН`). The network codes are those of the
country code 250 in ITU-T's list "Mobile Network Codes (MNC) for the international identification
plan" (E.212, annex to Operational Bulletin 1162 of 15 December 2018; in the amendments up to 2025
that are known to us there is nothing of Russia). That list names three of today's operators, and
former holders for most other codes. So further codes are taken where public lists of networks in
use, an older one and that of 2026, do not contradict each other (Wikipedia, "Mobile network codes
in ITU region 2xx (Europe)"). An operator with several codes, or with one that a list in use gives
to somebody else, is left out: nothing is better than a wrong network.

Subscribers keep their numbers when they change operators, and the registry does not know of it: the
network is that of the operator to which the number was first assigned.
"""

_RUSSIA = "250"
_CODES_BY_INN = {
    # By the name that the operator bears in ITU-T's list.
    "7740000076": "01",  # MTS: Mobile Telesystems
    "7812014560": "02",  # MegaFon: Megafon
    "7713076301": "99",  # VimpelCom: Beeline
    # By the lists of networks in use.
    "7701725181": "11",  # Scartel (Yota)
    "7743895280": "20",  # T2 Mobile
    "1681000024": "27",  # Tattelecom (Letai)
    "9204569240": "33",  # Sevtelecom
    "9102250133": "34",  # Krymtelecom
    "6661079603": "35",  # Ekaterinburg-2000 (Motiv)
    "7702527584": "54",  # Miranda-Media
    "7718999159": "60",  # KTK Telecom (Volna)
    "7743200179": "62",  # T-Mob
}


def mcc_mnc_of(inn: str) -> str:
    """Return country and network code of the operator with a tax number; empty if not known."""
    code = _CODES_BY_INN.get(inn)
    return f"{_RUSSIA}{code}" if code else ""
