"""The sending numbers that the sandbox pretends to host.

Owns what Meta would know about a number: its ids, its secrets and where its webhooks go. Knows
nothing about messages.
"""

from dataclasses import dataclass

from whimbrel.settings import Settings, local_url


@dataclass(frozen=True, slots=True)
class SandboxNumber:
    """One number of the WhatsApp Business Cloud API.

    `phone_number_id` is the Graph id in the path of `/messages`; `callback_url` takes the webhooks,
    signed with `app_secret`. `country_code` is what Meta puts in front of a recipient that was
    written without `+`.
    """

    phone_number_id: str
    token: str
    app_secret: str
    verify_token: str
    callback_url: str
    display_phone_number: str = "79000000000"
    country_code: str = "7"
    verified_name: str = "Sandbox"
    waba_id: str = "300000000000001"


def numbers_from(settings: Settings) -> list[SandboxNumber]:
    """Return a number for each `[whatsapp.NAME]` of the settings.

    The callback is the gateway's own, on this machine: `/hooks/whatsapp/<NAME>`.
    The displayed number is invented from the Graph id, for the settings do not hold one.
    """
    gateway = local_url(settings.server.host, settings.server.port)
    return [
        SandboxNumber(
            phone_number_id=account.phone_number_id,
            token=account.token,
            app_secret=account.app_secret,
            verify_token=account.verify_token,
            callback_url=f"{gateway}/hooks/whatsapp/{name}",
            display_phone_number=f"7900{account.phone_number_id[-7:]:0>7}",
            verified_name=account.sender,
        )
        for name, account in settings.whatsapp.items()
    ]
