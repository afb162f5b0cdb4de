"""Russian, by the English text."""

from collections.abc import Mapping

RUSSIAN: Mapping[str, str] = {
    # What becomes of a message
    "On its way": "В пути",
    "Sent": "Отправлено",
    "Delivered": "Доставлено",
    "Read": "Прочитано",
    "Failed": "Не доставлено",
    "Ticks": "Галочки",
    "on its way": "в пути",
    "sent: the business knows that it has left": "отправлено: компания знает, что оно ушло",
    "delivered to the phone": "доставлено на телефон",
    "read": "прочитано",
    "failed, and why": "не доставлено, и почему",
    "dashed: not on the phone, or not yet": "пунктир: на телефоне его нет или ещё нет",
    # Messages
    "To:": "Кому:",
    "From:": "От кого:",
    "Parts: {came} of {total}": "Частей: {came} из {total}",
    "Parts: {total}": "Частей: {total}",
    "Image": "Изображение",
    "Image from the message": "Изображение из сообщения",
    "The image cannot be shown": "Изображение не показать",
    "An image that Meta keeps: it has an id, and no address": (
        "Изображение хранится у Meta: у него есть номер, но нет адреса"
    ),
    "Template": "Шаблон",
    "Mark as read": "Прочитать",
    "Mark all as read": "Прочитать всё",
    "Unread:": "Не прочитано:",
    "Answer:": "Ответ:",
    "Answer": "Ответ",
    "Answer to": "Кому ответить",
    "Send": "Отправить",
    "Messages": "Сообщения",
    "Nothing has come to this phone yet.": "На этот телефон ещё ничего не пришло.",
    # A phone
    "This phone": "Этот телефон",
    "All phones": "Все телефоны",
    "Phone settings": "Настройки телефона",
    "Close": "Закрыть",
    "On": "Включён",
    "Off": "Выключен",
    "off": "выключен",
    "no WhatsApp": "нет WhatsApp",
    "blocks": "блокирует",
    "blocks the business": "блокирует компанию",
    "follows a script": "следует сценарию",
    "reads by itself": "читает сам",
    "you read": "читаете вы",
    "A magic number follows its script:": "Особый номер следует своему сценарию:",
    "Switched on": "Включён",
    "While it is off, messages are only sent. They are delivered when it is on again.": (
        "Пока он выключен, сообщения только отправлены. Они дойдут, когда он включится."
    ),
    "Reads by itself": "Читает сам",
    "What arrives by WhatsApp is read a moment later. Otherwise you say when.": (
        "Пришедшее по WhatsApp тут же прочитано. Иначе решаете вы."
    ),
    "Has WhatsApp": "Есть WhatsApp",
    "Without it, messages fail with 131026 and a cascade goes on by SMS.": (
        "Без него сообщения получают ошибку 131026, и каскад идёт дальше по SMS."
    ),
    "Blocks the business": "Блокирует компанию",
    "Meta tells nobody: messages are sent, and nothing follows. SMS still come.": (
        "Meta об этом не говорит: сообщения отправлены, и больше ничего. SMS доходят."
    ),
    "The phone is off. What is sent to it waits.": "Телефон выключен. Всё, что ему шлют, ждёт.",
    "Switch it on": "Включить",
    # The list of phones
    "Whimbrel sandbox": "Песочница Whimbrel",
    "Language and theme": "Язык и тема",
    "Auto": "Авто",
    "Light": "Светлая",
    "Dark": "Тёмная",
    "Phones": "Телефоны",
    "Phones with messages": "Телефоны с сообщениями",
    "A fake world behind the real wire: what the gateway sends to a number arrives on its phone "
    "here, and what you do with the phone goes back as real webhooks and receipts.": (
        "Выдуманный мир за настоящими протоколами: что шлюз шлёт на номер, приходит здесь на его "
        "телефон, а что вы делаете с телефоном, возвращается настоящими вебхуками и квитанциями."
    ),
    "Open any phone by its number": "Откройте любой телефон по номеру",
    "Open": "Открыть",
    "No phone has got a message yet. Send one through the gateway, and it appears here.": (
        "Сообщений ещё нет. Отправьте первое через шлюз, и оно появится здесь."
    ),
    "Magic recipients": "Особые номера",
    "These numbers follow a script, whatever their phone is set to. Any other number does what its "
    "phone does.": (
        "Эти номера следуют сценарию, как бы ни был настроен телефон. Любой другой номер ведёт "
        "себя так, как его телефон."
    ),
    "Recipient": "Получатель",
    "What happens": "Что происходит",
    "The business": "Компания",
    "Senders": "Отправители",
    "Sender": "Отправитель",
    "Channel": "Канал",
    "Where its webhooks and receipts go": "Куда идут вебхуки и квитанции",
    "State": "Состояние",
    "connected": "на связи",
    "not tried yet": "связи ещё не было",
    "nobody is bound": "никто не подключён",
    "All of this is there as JSON too:": "Всё это есть и в виде JSON:",
    # What cannot be done
    "a phone is 7 to 15 digits, with country code": "номер: от 7 до 15 цифр, с кодом страны",
    "{switch} changes nothing, for this number follows a script: {script}": (
        "{switch} ничего не изменит: этот номер следует сценарию «{script}»"
    ),
    "the phone is off": "телефон выключен",
    "the phone is not on WhatsApp": "на телефоне нет WhatsApp",
    "the business is blocked; end that first": "компания заблокирована; сначала разблокируйте её",
    "text must have 1 to {most} characters, and not be blank": (
        "в тексте должно быть от 1 до {most} знаков, и не одни пробелы"
    ),
    "text is longer than one part of 160 characters": "текст длиннее одной части в 160 знаков",
    "text is longer than one part of 70 characters": "текст длиннее одной части в 70 знаков",
    "there is no SMSC, for the settings have no section [smpp.NAME]": (
        "центра SMS нет: в настройках нет раздела [smpp.NAME]"
    ),
    # Scripts
    "delivered, never read": "доставлено, но не прочитано",
    "sent, then silence": "отправлено, и тишина",
    "failed: not on WhatsApp": "ошибка: нет в WhatsApp",
    "failed: window closed": "ошибка: окно в 24 часа закрыто",
    "throughput limit three times": "трижды «слишком быстро»",
    "pair limit once": "один раз «слишком много этому получателю»",
    "HTTP 500 three times": "трижды HTTP 500",
    "accepted, never answered": "принято, но без ответа",
    "receipts doubled and reversed": "квитанции дважды и в обратном порядке",
    "read without delivered": "прочитано без доставки",
    "receipts before answer": "квитанции раньше ответа",
    "delivered after 90 s": "доставлено через 90 с",
    "delivered": "доставлено",
    "undeliverable: unknown subscriber": "не доставить: нет такого абонента",
    "accepted, then silence": "принято, и тишина",
    "throttled three times": "трижды «слишком быстро»",
    "connection dropped once after the submit": "один раз обрыв связи после отправки",
    "receipt before the answer": "квитанция раньше ответа",
    "refused": "отказ",
    "expired": "срок истёк",
    "id hexadecimal in the answer, decimal after": (
        "номер в ответе шестнадцатеричный, потом десятичный"
    ),
    "receipt doubled": "квитанция дважды",
    "second part undeliverable": "вторую часть не доставить",
    "system error twice": "дважды системная ошибка",
    "en route, then delivered": "в пути, потом доставлено",
    "receipt by TLVs alone": "квитанция только из TLV",
}
