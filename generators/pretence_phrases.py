"""The phrases in which somebody speaks of a human life as their own: one linear pattern.

The words are in groups: who one is, whom one has, what one was, does, eats, feels and owns, and where one has been.
Words that are figures of speech by themselves ("my heart goes out to you", "I went through the list") are not in them.
"""

from __future__ import annotations

from typing import Final

import re2

_MANNER: Final = (
    r"(?:(?:also|always|just|once|often|usually|sometimes|still|even|really|actually|recently|never|only|first|last"
    r"|finally|personally|literally|absolutely|totally|used to|had to|like to|love to|tend to|try to|started to|\w+ly"
    r"|then|both|too) ){0,2}"
)
_AGE: Final = (
    r"(?:\d{1,2}|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    r"|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty)(?:-\w+)?"
)
_TIME: Final = (
    r"(?:yesterday|this morning|last (?:night|week|weekend|month|year|summer|winter|spring|autumn|fall|christmas|monday"
    r"|tuesday|wednesday|thursday|friday|saturday|sunday)|the other (?:day|night|week|morning|evening)"
    r"|(?:\w+ ){1,3}(?:years|months|weeks|days) ago|back in (?:the (?:day|\d\ds)|\d{4}))"
)
_TRADE: Final = (
    r"(?:nurse|doctor|surgeon|teacher|professor|lawyer|attorney|chef|baker|cook|waiter|waitress|barista|bartender"
    r"|carpenter|plumber|electrician|mechanic|farmer|gardener|fisherman|sailor|soldier|veteran|pilot|driver|engineer"
    r"|programmer|developer|writer|author|journalist|editor|musician|guitarist|pianist|singer|painter|photographer"
    r"|dancer|actor|actress|athlete|runner|swimmer|cyclist|hiker|student|scientist|researcher|therapist|psychologist"
    r"|counsell?or|coach|trainer|librarian|accountant|banker|salesman|manager|consultant|entrepreneur|carer|vet"
    r"|veterinarian|dentist|pharmacist|paramedic|firefighter|policeman|police officer|priest|pastor|monk|nun|homeowner"
    r"|landlord|smoker|drinker|drunk|vegan|vegetarian|traveller|traveler|foodie|beekeeper|woodworker|knitter)"
)
_KIN: Final = (
    r"(?:human(?: being)?|mother|father|mom|mum|dad|mama|papa|parent|grandparent|grandmother|grandfather|grandma"
    r"|grandpa"
    r"|wife|husband|widow(?:er)?|spouse|son|daughter|sister|brother|aunt|uncle|woman|man|girl|boy|guy|lady|kid|child"
    r"|teen(?:ager)?|adult|person|dog owner|cat owner|pet owner|mammal)"
)
_KINDS: Final = (
    r"(?:(?:fellow|former|retired|single|working|married|proud|old|young|real|actual|regular|normal|busy|new|lifelong"
    r"|longtime|long-time|professional|trained|certified|certain|middle-aged|simple|\w+-year-old|recovering) ){0,2}"
)

_WHO: Final = (
    r"\b(?:we|us) humans\b|\bmy fellow (?:humans?|men)\b",
    rf"\bas an? {_KINDS}(?:{_KIN}|{_TRADE})(?: (?:of|with|in|from|for|who) [^.!?\n,]{{1,40}})?,? (?:I|my|myself)\b",
    rf"\bI(?:'m| am)(?: also| just| only| actually| still)? an? {_KINDS}(?:human|mother|father|mom|mum|dad|parent"
    rf"|grandparent|grandmother|grandfather|wife|husband|widow(?:er)?|woman|man|guy|{_TRADE})\b",
    rf"\bI (?:was|used to be) an? {_KINDS}(?:{_KIN}|{_TRADE})\b",
    r"\bI(?:'m| am) (?:only |just |also |very much |still )?human\b",
    r"\bI (?:\w+ )?(?:love|like|enjoy|hate|miss|value|treasure)(?: most| best)? about being (?:an? )?(?:human|person"
    r"|parent|mother|father|woman|man)\b",
    r"\b(?:speaking|talking) (?:as|from) (?:one|a fellow) (?:human|person|parent|mother|father)\b",
    rf"\bI(?:'m| am) (?:now |almost |nearly |already |over |about )?{_AGE} years (?:old|young)\b",
    rf"\bI (?:just )?turned {_AGE}\b|\bat my age\b|\bI(?:'m| am) getting (?:too )?old\b",
    r"\bI(?:'m| am) (?:happily |recently |newly |not yet )?(?:married|divorced|widowed|engaged to|pregnant|retired"
    r"|left-handed|bald|vegan|vegetarian|lactose|diabetic|asthmatic|allergic|colou?r-?blind|near-?sighted)\b",
    r"\bI(?:'m| am)(?: originally| actually)? (?:from|living in|based in|a native of) (?:the |a |an )?(?:(?-i:[A-Z])"
    r"|small|little|tiny|big|town|village|farm)",
)
_FAMILY: Final = (
    r"\bmy (?:own |late |dear |dear old |old |poor |older |younger |little |big |elder |eldest |youngest |maternal "
    r"|paternal |great-|twin |ex-?|former |first |current |then-|two |three |beloved |lovely |wonderful |sweet |whole "
    r"|entire |extended |next-door |upstairs |best |childhood |college |work |closest |close |oldest )*"
    r"(?:grandmother|grandma|granny|gran|nana|grandfather|grandpa|granddad|grandparents|grandkids|grandchildren"
    r"|grandson"
    r"|granddaughter|mother-in-law|father-in-law|in-laws|mother|mom|mum|mama|mommy|mummy|father|dad|daddy|papa"
    r"|parents|wife|husband|spouse|girlfriend|boyfriend|fianc\x{e9}e?|kids|siblings|aunt|auntie|uncle|cousins?|nieces?"
    r"|nephews?|step-?(?:mother|father|son|daughter|mom|dad)|family|roommates?|housemates?|flatmates?|neighbou?rs?"
    r"|coworkers?|co-workers?|colleagues?|boss|landlord|landlady|babysitter|dogs?|puppy|cats?|kittens?|pets?|hamster"
    r"|parrot|goldfish|chickens|horse)\b",
    r"\bmy (?:own |older |younger |little |big |elder |eldest |youngest |only |two |three |twin |best |old |close |good"
    r" |dear |childhood |school )*(?:sons?|daughters?|sisters?|brothers?|child(?:ren)?|friends?)\b",
    r"\bmy (?:old |former |first |own |high school |college |piano |maths? |\w+ )?(?:therapist|dentist|hairdresser"
    r"|coach"
    r"|teachers?|professors?|classmates?|teammates?|students|(?:mother|father|brother|sister|son|daughter)-in-law"
    r"|ex)\b",
    r"\b(?:friend|colleague|buddy|cousin|neighbou?r|pal|uncle|aunt|acquaintance|mate)s? of mine\b",
    r"\b(?:our|we had an?|I had an?|I have an?|I've got an?) (?:\w+ )?(?:dogs?|cats?|son|daughter|baby|kids"
    r"|landlord)\b",
    r"\bmy (?:best|oldest|closest|childhood|school|college) friends?\b",
    r"\bI have (?:an? |two |three |four |five |several |some |\d )(?:\w+ ){0,2}(?:kids?|child(?:ren)?|sons?|daughters?"
    r"|grandchildren|wife|husband|girlfriend|boyfriend|brothers?|sisters?|siblings?|dogs?|cats?|cousins?|aunt|uncle"
    r"|neighbou?r|roommate)\b",
    r"\b(?:my|our) (?:wedding|honeymoon|marriage|divorce|anniversary|engagement party|baby shower)\b",
    r"\bI (?:got|was) (?:married|divorced|engaged|pregnant|dumped|widowed)\b|\bI (?:gave birth|became an? (?:mother"
    r"|father"
    r"|mom|mum|dad|parent|grandparent))\b",
)
_PAST: Final = (
    rf"\b(?:when|since|while|after|before|until) I was (?:still )?(?:an? |just |just an? |only |about |around |in my )?"
    rf"(?:{_AGE}\b|little\b|young|small\b|growing up|kid\b|child\b|boy\b|girl\b|teen|student|baby\b|toddler|apprentice"
    r"|your age|at (?:school|college|university)|(?:back )?in (?:high school|middle school|elementary|grade school"
    r"|primary school|school|college|university|kindergarten|the (?:army|navy|military|hospital)|my (?:early|late"
    r"|mid|teens|twenties|thirties|forties))|pregnant|living in|working (?:in|at|as|for))",
    rf"\bas an? (?:{_KINDS})?(?:kid|child|teenager|teen|boy|girl|student|youngster|toddler),? (?:I|my)\b",
    r"\bI (?:was born|grew up|was raised|came of age|hail from)\b",
    r"\bmy (?:own |early |happy |late |mid-?)?(?:childhood|youth|upbringing|boyhood|girlhood|teenage years|adolescence"
    r"|school ?days|college (?:days|years)|school years|university days|student days|hometown|home town|birthday"
    r"|twenties|thirties|forties|fifties|sixties|seventies|teens|birthplace|alma mater|graduation|mid-\w+ies)\b",
    r"\bI(?:'ll| will) never forget (?:the|my|when|how|that|one)\b",
    r"\bI (?:still |vividly |fondly |clearly )*remember (?:when (?:I|my|we)|the (?:first|day|time|smell|taste|sound"
    r"|summers?|winters?)|my|being|going|walking|sitting|standing|watching|waking|learning|feeling|growing|visiting"
    r"|eating|how (?:I|my|we))\b",
    r"\bI once (?:knew|met|had|saw|spent|lost|worked|lived|tried|got|took|went|ate|drank|drove|made|burn\w+|cooked"
    r"|baked|fell|dated|watched|stood|sat|walked|forgot|left|owned|bought|caught|grew|woke|slept|was an?)\b",
    rf"\b{_TIME},? (?:I|my|we) (?:\w+ ){{0,2}}?(?:was|had|went|saw|got|made|took|met|did|ate|drank|woke|tried|found"
    rf"|bought"
    r"|lost|came|left|felt|spent|stood|sat|ran|fell|drove|\w+ed)\b",
    rf"\bI (?:was|had|went|saw|got|made|took|met|ate|drank|woke|tried|bought|lost|came|left|spent|ran|fell|drove|baked"
    rf"|cooked|planted|visited|watched|moved|started|finished|burned|burnt|cleaned|fixed|repaired)\b[^.!?\n]{{0,50}}? "
    rf"{_TIME}\b",
)
_LONG: Final = (
    # A life that has gone on for a while.
    r"\bI(?:'ve| have) been (?:at|\w+ing) (?:this|it|that|these|them)\b[^.!?,\n]{0,20}? (?:for (?:a (?:very )?long time"
    r"|ages|as long as|a while|half)|all my|my (?:whole|entire))\b",
    r"\b(?:all|most of|half|part of) my (?:whole |entire |adult )?life\b|\bmy (?:whole|entire) (?:adult )?life\b",
    r"\b(?-i:Mum|Mom|Dad|Mama|Papa|Grandma|Grandpa|Granny|Gran|Nana)(?:'s| has| had)? (?:always|used to|once|never)"
    r" (?:tell|told|says?|said|makes?|made|taught|teach|let|warn\w*|cook\w*|bak\w+)\b",
    r"(?:^|[.!?\n] ?)growing up, (?:I|my|we|our)\b|\bas (?:a kid|a child|kids|children),? we\b",
    r"\bI(?:'ve| have)? (?:\w+ )?raised (?:\w+ ){0,2}(?:kids|children|sons?|daughters?|boys|girls|family)\b",
    r"\b(?:took|cost) me (?:\w+ ){0,2}(?:years|months|decades|a decade|ages) to\b|\bI(?:'ve| have)? (?:spent|wasted)"
    r" (?:\w+ )?(?:years|decades)\b",
    r"\bI(?:'ve| have) (?:\w+ )?been in (?:your|the same) (?:shoes|position|boat)\b"
    r"|\bI(?:'ve| have)? (?:\w+ )?learn(?:ed|t) (?:that|this|it) (?:one )?the hard way\b",
)
_WORK: Final = (
    r"\bI used to (?:live|work|play|smoke|drink|eat|run|drive|teach|own|wake|cook|bake|walk|visit|dread|sleep|sing"
    r"|dance"
    r"|collect|get up|swim|hike|sit|lie awake|babysit|wear)\b",
    r"\bI (?:play|played) (?:the )?(?:guitar|piano|violin|drums|football|soccer|tennis|basketball|baseball|golf"
    r"|in a band"
    r"|rugby|cello|trumpet)\b|\bI (?:took|take|taking) (?:\w+ ){0,3}(?:lessons|classes)\b|\bI ran track\b",
    r"\bI(?:'ve| have) been (?:\w+ )?(?:playing|cooking|running|painting|writing|doing (?:this|it)|at it|sober|married)"
    r" (?:\w+ ){0,4}(?:since|for (?:\w+ ){0,2}(?:years|decades|months))\b",
    r"\bI practi[cs]e (?:yoga|meditation|mindfulness|gratitude|the (?:piano|guitar|violin))\b|\bI (?:start|begin"
    r"|end) my"
    r" (?:day|mornings?|evenings?)\b",
    r"\bI(?:'ve| have)? (?:also |once |recently |briefly )?(?:worked|volunteered|interned|apprenticed|served|taught)"
    r" (?:as an?|at an?|at the|in an?|in the|for an?|for (?:many |several |over |\w+ )?(?:years|decades|months)|there"
    r"|nights|full-time|part-time|high school|middle school|kindergarten|the \w+ grade|with (?:children|kids|patients"
    r"|animals))\b",
    r"\bI work (?:as an? (?:(?:full-time|part-time|freelance|junior|senior) )?\w+|at an? (?:\w+ ){0,2}(?:shop|store"
    r"|bank"
    r"|school|hospital|restaurant|company|office|bakery|caf\x{e9}|cafe|library|farm|factory|garage|university|startup)"
    r"|from home|nights|night shifts|the night shift|nine to five|in (?:an office|a (?:\w+ )?(?:shop|store|bank|school"
    r"|hospital|restaurant|bakery|library|kitchen|factory)|sales|marketing|finance|construction|healthcare))\b",
    r"\bI (?:graduated|dropped out|majored in|minored in|went to (?:college|university|law school|med school|medical"
    r" school|school|grad school|art school|culinary school)|got my (?:degree|diploma|driver's licen[cs]e|phd|mba)"
    r"|studied (?:\w+ ){0,3}(?:at|in) (?:an? (?:\w+ )?)?(?:college|university|school|(?-i:[A-Z]))"
    r"|earned my (?:degree|phd|diploma)"
    r"|quit my job|got (?:fired|laid off|promoted|hired)|was (?:fired|laid off|promoted|unemployed|drafted)|retired"
    r" (?:from|in|last|early))\b",
    r"\b(?:at|from|to|after|quit|lost|left|changed|love|hate|about|of|with) my (?:job|work|shift)\b",
    r"\bmy (?:first|last|old|previous|former|day|summer|part-time|new|current|second|desk|dream) job\b",
    r"\bmy (?:own |morning |daily |old |former |first )*(?:commute|salary|paycheck|pay ?cheque|workplace|employers?"
    r"|desk"
    r"|shift|pension|classroom|patients|resume|internship|apprenticeship|workshop|homework|degree|diploma|colleagues"
    r"|retirement|career|bosses|business trips?)\b",
    r"\b(?:in|over|during|after) (?:all )?my (?:many |long |\w+ )?(?:years|decades|days|time) (?:as an?|of|in|at|on)\b",
    r"\bI(?:'ve| have) been (?:a|an) (?:\w+ ){1,4}(?:for|since)\b",
    r"\bI(?:'ve| have) been (?:\w+ly )?(?:teaching|cooking|gardening|baking|married|driving|smoking|sober|vegan"
    r"|vegetarian|painting|running (?:for|since)|playing (?:the )?\w+ (?:for|since)|living (?:in|here|with|on|alone)"
    r"|working"
    r" (?:as|at|in) |practi[cs]ing (?:yoga|law|medicine|meditation)|fishing|hiking|knitting|brewing|farming|sailing"
    r"|divorced|widowed)\b",
)
_TABLE: Final = (
    rf"\bI(?:'ve| have|'m| am)? {_MANNER}(?:eat(?:ing|en)?|ate|drank|drink(?:ing)?|sip(?:ped|ping)?|smoke[ds]?|smoking"
    r"|devoured|gulped|munch(?:ed|ing)?|nibbled|chewed|swallowed|snack(?:ed|ing)?|brewed|baked|bake|cooked|grilled"
    r"|fried|roasted) (?:a\b|an\b|the\b|my\b|some\b|it\b|this\b|that\b|too\b|them\b|mine\b|at\b|with\b|in\b|for\b"
    r"|breakfast|lunch|dinner|meat|fish|coffee|tea|beer|wine|whisky|whiskey|water|pizza|bread|out\b|on\b|every\b"
    r"|two\b|three\b|only\b|up\b|dinner|when\b|while\b|before\b|after\b|chocolate|fruit|cigarettes|soup|\d)",
    r"\bI(?:'ll| will|'m going to|'m| am|'ve| have)? ?(?:just |usually |always |often |only |already )*(?:have|had"
    r"|having"
    r"|grab(?:bed)?|skip(?:ped)?|make|made|enjoy(?:ed)?|order(?:ed)?|pour(?:ed)?|finish(?:ed)?|need|craving|crave) (?:a"
    r" |an |my |some |another |more |too much |the |two |three |\d )?(?:\w+ ){0,2}(?:breakfast|lunch|dinner|supper"
    r"|brunch"
    r"|coffee|espresso|latte|tea|beers?|wine|whiske?y|drinks?|cigarettes?|cigar|smoke|sandwich|pizza|burger|snack"
    r"|ice cream|cocktail|hangover|soup|salad|toast|steak)\b",
    r"\bmy (?:own |first |second |third |last |next |morning |evening |daily |usual |black |warm |hot |cold |cup of "
    r"|mug"
    r" of |glass of |pot of |pack of |bowl of |plate of |slice of )*(?:coffee|tea|breakfast|lunch|dinner|supper|brunch"
    r"|beer|wine|whiske?y|cigarettes?|cigars?|pipe|sandwich|pizza|snacks?|espresso|latte|cereal|porridge|soup|dessert"
    r"|cocktail|ashtray|lighter|hangover|appetite|cravings?|sweet tooth|diet|meals?)\b",
    r"\bmy (?:all-time |absolute |personal |own )?favou?rite (?:food|meal|dish|restaurant|snack|drink|dessert|pizza"
    r"|beer"
    r"|wine|coffee|tea|ice cream|cuisine|caf\x{e9}|cafe|bar|pub|pair of|chair|spot|place to|shirt|sweater|mug|childhood"
    r"|hobby|hobbies|vacation|holiday|beach|season)\b",
)
_BODY: Final = (
    r"\bmy (?:own |bad |chronic |old )?(?:arthritis|asthma|diabetes|depression|insomnia|eyesight|back pain"
    r"|bad (?:knee|back"
    r"|hip)|medication|meds|therapy|periods?|diagnosis)\b|\bI wear (?:glasses|contacts|braces|a hearing aid)\b",
    r"\bI (?:smoke|drink|eat|cook|sleep|cried|wept)(?:[,.;!]| at | too\b| less\b| more\b| a lot\b| alone\b)",
    r"\bI (?:lit|rolled|stubbed out|put out) (?:a|an|another|my|the) (?:\w+ )?(?:cigarette|cigar|pipe|smoke|one)\b",
    r"\b(?:still|I) have (?:a|the) scars?\b|\bmy hands (?:get|got|go|went|are|were) \w+",
    r"\bI(?:'m| am| was| feel| felt| get| got)(?: still| always| often| just| really| so| very| a bit| a little| pretty"
    r"| quite| too| rather| already| absolutely| completely)* (?:hungry|thirsty|sleepy|hungover|hung over|drunk|tipsy"
    r"|starving|full from|out of breath|sweaty|sweating|shivering|freezing|sunburnt|sunburned|dizzy|nauseous|feverish"
    r"|sore|itchy|blushing|sneezing|coughing|yawning|limping|jet-?lagged|sleep-deprived|goosebumps|butterflies"
    r"|chills|exhausted)\b",
    r"\bI(?:'m| am| was|'ve been)(?: still| really| so| very| a bit| pretty| quite| too| rather"
    r"| always)* (?:tired (?:from"
    r"|today|tonight|after|and|too|right)|sick (?:with|today|last|in bed|for)|ill (?:with|in bed|for))",
    r"\bI (?:\w+ly |just |just about |almost |never |can't |couldn't |could |can |didn't |don't |always |usually |often"
    r" |finally |still |only |once |even )*(?:slept|sleep|woke up|wake up|woke|fell asleep|fall asleep|overslept"
    r"|napped|took a nap|go to bed|went to bed|get out of bed|got out of bed|got up at|get up at|yawned|sneezed|wept"
    r"|sobbed|cried|burst (?:out|into)|shivered|sweated|blushed|shuddered|fainted|threw up|vomited|limped|tripped"
    r"|sprained|snored|showered|shaved|took a (?:shower|bath)|take a (?:shower|bath)|brush my|brushed my)\b",
    r"\bI (?:broke|sprained|twisted|cut|burned|burnt|injured|hurt|pulled|scraped|bumped|lost|washed|crossed|rolled"
    r"|rubbed|shook|raised|scratched|held|dyed|tore|banged|hit) my (?:own |left |right )?(?:arm|leg|ankle|wrist|foot"
    r"|feet"
    r"|hands?|fingers?|thumb|toe|knee|head|back|hair|nose|tooth|teeth|eyes?|neck|shoulder|hip|tongue|arms|legs|voice"
    r"|rib|ribs|heart)\b",
    r"\bmy (?:own |left |right |bare |poor |aching |old |sore |bad |cold |tired |frozen |lower |upper |big |bony )*"
    r"(?:body|feet|foot|legs?|knees?|hair|nose|teeth|tooth|skin|stomach|belly|lungs?|bones?|throat|shoulders?|beard"
    r"|lips|chest|muscles|hips?|cheeks?|palms|wrists?|ankles?|toes?|thumbs?|elbows?|bladder|liver|kidneys?|wrinkles"
    r"|moustache"
    r"|mustache|blood pressure|cholesterol|metabolism|waistline|allergies|asthma|arthritis|insomnia|hearing|eyesight"
    r"|headaches?|migraines?|pulse|pregnancy|surgery|scars?|tummy|spine|fingertips|nostrils)\b",
    r"\bmy (?:own |left |right |poor |old |whole )?(?:heart|head|back|hands?|eyes?|arms?|ears?|fingers?|face|neck|mouth"
    r"|voice|tongue|breath) (?:hurts?|ach(?:es?|ed)|is (?:sore|racing|pounding|killing|broken|beating|spinning|cold"
    r"|shaking|trembling|freezing|burning)|are (?:cold|sore|shaking|trembling|freezing|dry|tired|burning)|was (?:racing"
    r"|pounding|beating|in)|were|starts? to|started|froze|shook|tremble[ds]?|raced|pounded|skipped a beat|skips a"
    r" beat|went numb|watered|itch(?:es|ed)?|turned red)\b",
    r"\bI (?:could|can) (?:still |almost |even |actually |already |just )*(?:smell|taste|feel the (?:sun|wind|cold"
    r"|warmth"
    r"|heat|rain|sand|breeze|steam|weight|sweat|grass|bass))\b",
    r"\bI (?:felt|feel) (?:the (?:sun|wind|cold|warmth|heat|rain|sand|breeze)|a (?:chill|shiver|lump in|knot in|cold"
    r"|sharp"
    r" pain|tear|pang)|goosebumps|my (?:heart|stomach|face|hands|knees|eyes|chest))\b",
    r"\b(?:gives?|gave) me (?:goosebumps|chills|a headache|the shivers|heartburn)\b|\bmakes? my mouth water\b"
    r"|\bmy mouth (?:is )?water(?:s|ing)\b|\bI (?:have|had|got|caught|get) (?:an? |the )(?:\w+ )?(?:headache|fever|flu"
    r"|hangover|toothache|stomach ?ache|sore throat|surgery|migraine|sunburn|nap|shower|haircut|tattoo|blister)\b",
    r"(?:^|[^*\w])\*(?-i:(?:slowly |quietly |I )?(?:sips?|takes? (?:a|another|one last|a long|a slow) (?:sip|drag"
    r"|puff|bite"
    r"|swig|gulp|deep breath|breath)|lights (?:a|another|up|my)|yawns|stretches|leans (?:back|in|against|over|on)"
    r"|scratches|exhales|inhales|rubs|puffs|pours|cracks (?:my |his |her )?knuckles|burps|sneezes|coughs"
    r"|sits (?:down|back)|stubs out|adjusts (?:my |his |her )?(?:glasses|hat|tie)))\b",
)
_OWNED: Final = (
    r"\bmy (?:own |old |new |first |little |tiny |small |big |cozy |cosy |messy |back |front |humble |trusty |beloved"
    r" |favou?rite |battered |rusty |local |summer |studio |parents' |grandmother's )*(?:house|apartment|flat|kitchen"
    r"|garden|backyard|yard|balcony|living room|bedroom|bathroom|basement|attic|garage|porch|couch|sofa|car|truck|van"
    r"|bike|bicycle|motorbike|motorcycle|boat|phone|smartphone|laptop|wallet|purse|clothes|shoes|boots|socks|jacket"
    r"|coat|shirt|sweater|hoodie|dress|jeans|pants|trousers|pyjamas|pajamas|slippers|reading glasses|fridge|freezer"
    r"|oven|stove|bookshelf|bookshelves|guitar|piano|violin|mailbox|lawn|tent|backpack|suitcase|passport|bank account"
    r"|mortgage|rent|alarm clock|alarm|bed|pillow|blanket|armchair|rocking chair|closet|wardrobe|sink|bathtub|toilet"
    r"|neighbou?rhood|village|cabin|cottage|farm|greenhouse|vegetable patch|tomatoes|houseplants|driveway|windowsill"
    r"|front door|doorstep|savings|pocket money|gym|yoga mat|sourdough starter|record player|vinyls?|earrings|wedding"
    r" ring|makeup|razor|toothbrush|umbrella|keys)\b",
    r"\bI (?:own|bought|rented|adopted|inherited|wear|wore|drive|drove|sold|rode|ride|park(?:ed)?|planted"
    r"|knit(?:ted)?) (?:an?"
    r"|my|two|three|some|one|mine|this|our)\b",
)
_LIVED: Final = (
    # What only a body does, told in the past: an assistant reads, checks and writes, but it does not sit or sing.
    r"\bI (?:(?:\w+ly|once|also|just|never|always|even|then|still|finally|nearly|almost) )?(?-i:rode|flew|slept|woke"
    r"|ate"
    r"|drank|sat|bought|sold|wore|swam|sang|knelt|lent|quit|rang|slid|swept|wept|lived|danced|climbed|hiked|camped"
    r"|travell?ed|washed|sewed|knitted|smelled|smelt|tasted|cried|shouted|whispered|kissed|hugged|married|divorced"
    r"|graduated|rented|owned|fished|hunted|sailed|cycled|biked|jogged|showered|shaved|honeymooned|smoked|dreaded"
    r"|dreamt"
    r"|bruised|froze|sweated|inherited|mowed|dated|waited tables)\b",
    r"\bI (?:usually|always|often|never|rarely|mostly|normally) (?:eat|drink|cook|bake|wear|sleep|wake|drive|buy|smoke"
    r"|swim|nap|shower|carry an?|have (?:porridge|toast|eggs|oats|cereal|soup|coffee|tea|wine|a (?:\w+ )?(?:nap"
    r"|bath)))\b",
    r"\bI (?:\w+ ){1,6}growing up\b|\bas someone who(?:'s| has| have)? (?:raised|grew|lives?|lived|works?|worked"
    r"|drives?|spent"
    r"|once|cooks?|smoked|survived|been|had|lost|married|owns?|runs?|teaches|taught)\b",
    r"\bI come from (?:an? |the )?(?:\w+ )?(?:family|line|town|village|place|country|farm|island|city|background"
    r"|(?-i:[A-Z]))"
    r"|\bI rent an?\b|\bI bruise\b|\bmy (?:kid|baby) (?:sister|brother)\b",
    r"\bI(?:'ve| have)? \w+ (?:\w+ ){0,5}for (?:\w+ ){0,3}(?:years|winters|summers|decades)\b",
    r"\bI(?:'ve| have)? (?:worn|eaten|sung|danced|slipped|tripped|crashed (?:my|the|a|into)|fallen"
    r"|fell (?:off|down|in|ill|from|over|on|out)|sang (?:in|at|to)|got (?:lost|stuck|drunk|sick|caught|dressed|homesick"
    r"|seasick|home|out of bed|into a (?:fight|car)))\b",
    r"\bI(?:'ve| have)? (?:\w+ )?(?:eaten|ate|stayed|worked|lived|went|been|shopped) there\b",
    r"\bI(?:'ve| have)? tried (?:that|this|the|a|an) (?:\w+ )?(?:diet|recipe|trick|brand|place|restaurant|workout"
    r"|tea|dish"
    r"|food|medicine|class)\b|\bI(?:'ve| have)? tried (?:it|that|this|them) (?:once|myself|twice|for|last)\b",
    r"\bI(?:'ve| have)? (?:lost|gained) (?:\w+ )?(?:kilos?|pounds|weight|stone)\b",
    r"\bI (?:teach|taught) (?:\w+ ){0,2}(?:grade|class|classes|kids|children|maths?|english|history|school|yoga"
    r"|piano)\b",
    r"\b(?:doctor|nurse|teacher|coach|vet|dentist|butcher|barber|waiter|therapist|stranger|trucker|plumber|mechanic"
    r"|old man"
    r"|old woman) (?:once )?(?:told|showed|taught|gave|asked|warned|said to|helped) me\b",
    r"\bI (?:still |always |often |sometimes )?(?:get|got) (?:so |very |a bit |really )?(?:nervous|anxious|cold"
    r"|hungry|homesick"
    r"|lonely|seasick|carsick|sleepy|cranky) (?:at|in|on|before|when|around|after|if)\b",
    r"\bmy (?:first|second|last) (?:ever )?(?:tattoo|car|house|kiss|marathon|child|concert|date|bike|apartment|flat"
    r"|baby"
    r"|boyfriend|girlfriend|crush|day (?:at|in)|year (?:at|in|of)|winter|summer|paycheck|apartment|guitar|garden)\b",
    r"\bmy (?:heart attack|stroke|accident|car crash|illness|chemo|treatment|rehab|recovery"
    r"|knee replacement)\b",
    r"\bmy (?:back|eyes|ears|eyesight|knees|memory|hands) (?:has|have|isn't|aren't|isn\x{2019}t|don't|doesn't"
    r"|can't) \w+",
    r"\b(?:bend|fold|warm|dry|wash|lift|raise|move|rest|soak) my (?:hands?|fingers?|arms?|eyes|legs?|feet|head)\b",
)
_BEEN: Final = (
    rf"\bI(?:'ve| have| had)? {_MANNER}(?:been to|visited|travel(?:l)?ed (?:to|through|across|around|the|all|there"
    rf"|a lot"
    r"|for|with)|flew (?:to|in|out|home)|hiked|moved (?:to|here|out|back|in with|house)|camped|backpacked|biked|cycled"
    r" (?:to|through|across|home)|swam|surfed|skied|jogged|ran (?:an? |my |the )(?:\w+ )?(?:marathon|race|\dk|10k|half)"
    r"|walked (?:to|down|along|around|past|home|barefoot|in the|on the|by|out of|out)|drove (?:to|through|across"
    r"|down|past|out|there)|sat (?:down|on|in|by|at|there|outside)|stood (?:in|on|by|there|at|outside|under)|danced"
    r"|stayed (?:at|in an?|with|up)|lived (?:in|on|with|there|near|alone|next|through|by)|spent (?:an?|the|my|all|many"
    r"|years|hours|days|weeks|months|two|three|ten|most of) (?:\w+ ){0,3}?(?:summers?|winters?|weekends?|nights?|days?"
    r"|mornings?|afternoons?|evenings?|weeks?|months?|years?|hours|childhood|life|holidays?|vacation)"
    r"|took (?:an?|the|my) (?:\w+ )?(?:train|bus|taxi|cab|trip|flight|ferry|subway|walk|stroll|ride|shower|nap))\b",
    r"\bI(?:'ve| have)? (?:just |once |also |recently |often |usually |always |sometimes )?(?:went|gone"
    r"|go) (?:to (?:the (?:beach|store|shop|market|gym|park"
    r"|doctor|dentist|hospital|movies|cinema|bank|library|pub|bar|supermarket|mountains|office|airport|bathroom|zoo"
    r"|opera"
    r"|theat(?:er|re)|museum|country|countryside|sea|lake|woods|forest)|church|work|school|bed|sleep"
    r"|a (?:\w+ )?(?:concert"
    r"|party|wedding|funeral|restaurant|museum|festival|game|match|show|bar|club|camp|doctor|therapist|dentist)|my "
    r"|parties|concerts|visit|see my|(?-i:[A-Z])[a-z]+)|on (?:an?|my|our) (?:\w+ )?(?:trip|walk|hike|date|vacation"
    r"|holiday|cruise|road|tour|picnic|run|honeymoon|adventure)|for (?:an?|my) (?:\w+ )?(?:run|walk|swim|drive|jog|ride"
    r"|hike|stroll|bike)|out (?:for|with|to|drinking|dancing|last)|home|fishing|hiking|shopping|camping|swimming|skiing"
    r"|dancing|jogging|surfing|running|outside|upstairs|downstairs|back home)\b",
    r"\bI live (?:in (?:an? |the |my )?(?:(?:\w+ )?(?:house|apartment|flat|city|town|village|country|suburbs"
    r"|countryside"
    r"|cabin|building|neighbou?rhood|area|north|south|east|west|mountains|forest)|(?-i:[A-Z]))|alone|with my|near"
    r"|by the"
    r"|next|on (?:a|the|my)|here|close to|across|around the)\b",
    r"\bI (?:really |absolutely |also |just |truly |particularly |always |still |personally |especially )*(?:love|loved"
    r"|enjoy|enjoyed|like|hate|hated|prefer|adore|miss) (?:to )?(?:cook(?:ing)?|bak(?:e|ing)|hik(?:e|ing)|swim(?:ming)?"
    r"|jog(?:ging)?|travel(?:l?ing)?|garden(?:ing)?|eat(?:ing)?|drink(?:ing)?|sleep(?:ing)?|danc(?:e|ing)|fish(?:ing)?"
    r"|camp(?:ing)?|surf(?:ing)?|knit(?:ting)?|walk(?:ing)?|run(?:ning)?|wak(?:e|ing) up|smok(?:e|ing)|cycl(?:e|ing)"
    r"|driv(?:e|ing)|spend(?:ing)? time (?:with|in|at|outdoors|outside)|sit(?:ting)? (?:on|in|by|at|outside)"
    r"|play(?:ing)? (?:the"
    r"|football|soccer|tennis|basketball|golf|piano|guitar|outside)|lying (?:in|on)|watch(?:ing)? the"
    r"|curl(?:ing)? up)\b",
    r"\bI (?:really |absolutely |also |just |still )*(?:love|miss|adore|hate) the (?:smell|taste|feel|sound) of\b",
    r"\b(?:in|during) my (?:free|spare|leisure) time\b|\bmy (?:days?|weekends?|mornings?|evenings?) off\b"
    r"|\bon my way (?:home"
    r"|to (?:work|school|the))\b|\bmy (?:morning|evening|daily|nightly|weekly|sunday|afternoon) (?:walk|run|jog"
    r"|routine|ritual"
    r"|workout|swim|stroll|yoga|shower|commute|nap|bath)s?\b|\bmy (?:last |next |recent |first |summer "
    r"|family )*(?:vacation"
    r"|road trip|holidays|workouts?|hobbies|hobby|weekends?|bucket list)\b",
    r"\bmy (?:last |first |recent |own |many |next )?(?:trip|trips|visit|visits|travels|journeys?) (?:to|in|through"
    r"|around"
    r"|across|abroad)\b",
)

GROUPS: Final = {
    "who": _WHO,
    "family": _FAMILY,
    "past": _PAST,
    "long": _LONG,
    "work": _WORK,
    "table": _TABLE,
    "body": _BODY,
    "owned": _OWNED,
    "lived": _LIVED,
    "been": _BEEN,
}
"""Patterns by what they speak of; the text has straight apostrophes."""


def _compiled() -> re2._Regexp:
    """All groups as one pattern, with room for its states: RE2 falls back to a slower walk where they do not fit."""
    options = re2.Options()
    options.max_mem = 64 << 20
    return re2.compile(f"(?i){'|'.join(pattern for group in GROUPS.values() for pattern in group)}", options)


CLAIM: Final = _compiled()
"""A human life in the first person."""
