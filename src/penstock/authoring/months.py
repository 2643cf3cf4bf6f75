"""Names of months in other languages than English, for `%B` and `%b` in the formats of columns.

Forms within a date stand first (`сентября`), then those that stand alone (`сентябрь`); source: Unicode CLDR. The
point behind a short name is left out here; in a file it may stand or not.
"""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import DefinitionError, nearest

_FULL = {
    "cs": (
        "ledna/leden února/únor března/březen dubna/duben května/květen června/červen července/červenec "
        "srpna/srpen září října/říjen listopadu/listopad prosince/prosinec"
    ),
    "da": ("januar februar marts april maj juni juli august september oktober november december"),
    "de": ("januar februar märz april mai juni juli august september oktober november dezember"),
    "es": ("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    "fi": (
        "tammikuuta/tammikuu helmikuuta/helmikuu maaliskuuta/maaliskuu huhtikuuta/huhtikuu toukokuuta/toukokuu "
        "kesäkuuta/kesäkuu heinäkuuta/heinäkuu elokuuta/elokuu syyskuuta/syyskuu lokakuuta/lokakuu "
        "marraskuuta/marraskuu joulukuuta/joulukuu"
    ),
    "fr": ("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    "it": ("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
    "nb": ("januar februar mars april mai juni juli august september oktober november desember"),
    "nl": ("januari februari maart april mei juni juli augustus september oktober november december"),
    "pl": (
        "stycznia/styczeń lutego/luty marca/marzec kwietnia/kwiecień maja/maj czerwca/czerwiec lipca/lipiec "
        "sierpnia/sierpień września/wrzesień października/październik listopada/listopad grudnia/grudzień"
    ),
    "pt": ("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
    "ro": ("ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie"),
    "ru": (
        "января/январь февраля/февраль марта/март апреля/апрель мая/май июня/июнь июля/июль августа/август "
        "сентября/сентябрь октября/октябрь ноября/ноябрь декабря/декабрь"
    ),
    "sv": ("januari februari mars april maj juni juli augusti september oktober november december"),
    "tr": ("ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık"),
    "uk": (
        "січня/січень лютого/лютий березня/березень квітня/квітень травня/травень червня/червень липня/липень "
        "серпня/серпень вересня/вересень жовтня/жовтень листопада/листопад грудня/грудень"
    ),
}
_SHORT = {
    "cs": ("led úno bře dub kvě čvn čvc srp zář říj lis pro"),
    "da": ("jan feb mar apr maj jun jul aug sep okt nov dec"),
    "de": ("jan feb märz/mär apr mai juni/jun juli/jul aug sept/sep okt nov dez"),
    "es": ("ene feb mar abr may jun jul ago sept oct nov dic"),
    "fi": ("tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu"),
    "fr": ("janv févr mars avr mai juin juil août sept oct nov déc"),
    "it": ("gen feb mar apr mag giu lug ago set ott nov dic"),
    "nb": ("jan feb mars/mar apr mai juni/jun juli/jul aug sep okt nov des"),
    "nl": ("jan feb mrt apr mei jun jul aug sep okt nov dec"),
    "pl": ("sty lut mar kwi maj cze lip sie wrz paź lis gru"),
    "pt": ("jan fev mar abr mai jun jul ago set out nov dez"),
    "ro": ("ian feb mar apr mai iun iul aug sept oct nov dec"),
    "ru": ("янв февр мар/март апр мая/май июн/июнь июл/июль авг сент окт нояб дек"),
    "sv": ("jan feb mars apr maj juni juli aug sep okt nov dec"),
    "tr": ("oca şub mar nis may haz tem ağu eyl eki kas ara"),
    "uk": ("січ лют бер квіт трав черв лип серп вер жовт лист груд"),
}
_ENGLISH = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
LOCALES = tuple(_FULL)


def checked(locale: str | Iterable[str]) -> tuple[str, ...]:
    """The languages as a tuple. Raises `DefinitionError` for an unknown one."""
    found = tuple(filter(None, (locale,))) if isinstance(locale, str) else tuple(locale)
    for name in found:
        if name not in LOCALES:
            raise DefinitionError(f"locale={name!r} is unknown", fix=nearest(name, LOCALES))
    return found


def months(locales: Iterable[str], *, short: bool) -> dict[str, str]:
    """Each name in these languages, in small letters, with the English name that it stands for.

    No name of one language is another month's in another.
    """
    return {
        name: english[:3] if short else english
        for locale in locales
        for names, english in zip((_SHORT if short else _FULL)[locale].split(), _ENGLISH, strict=True)
        for name in names.split("/")
    }
