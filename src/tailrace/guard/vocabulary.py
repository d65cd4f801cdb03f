"""The words that a pattern of a line may show: those that logs are made of. Any other may be a name
or a value, and is not kept (places.py)."""

from __future__ import annotations

WORDS = frozenset(
    """
    a accepted access account action active added address admin after alert all amount an and answer
    api app application applied approved are as at attempt auth authenticated authentication
    authorization authorized available back balance bank batch because been before billing body call
    called caller cancelled cannot card change changed charge charged charging check checkout client
    closed code completed config connect connected connection contact could country created credit
    currency customer data database date debit debug declined deleted delivered denied deny details
    device did disabled dob document does done driving due duplicate duration email empty enabled
    ended entry error event exception executed exists expired expires expiry export failed failure
    fax fetch field file finished first for form found from full get given got had handled handler
    has header hello host iban id identity import in incoming info information input insert inserted
    instead internal invalid invoice is issue issued it item job json key last level licence license
    line list load loaded log logged login logout lookup mail member merchant message method missing
    mobile name new no not notification notified null number object of ok on only open opened
    operation order orders out paid param parameter parameters parsed passed passport password
    patient payload payment payments payout pending phone pin place placed post process processed
    processing profile proto provider purchase put query queue read received record refund refused
    registered reject rejected reply request requested required reset response result retry returned
    row saved search secret security select send sending sent server service session set shipping
    signed signup size skipped social ssn start started state status step stopped store stored
    success successful successfully support system task tax tel telephone text the this time timeout
    tls to token total transaction transfer unable unexpected unknown update updated url use used
    user using valid validate validation value values verified verify via warning was webhook while
    will with withdrawal without write written wrong
    """.split()  # noqa: SIM905 - a list of them would be one word a line
)
