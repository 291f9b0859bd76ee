package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"roster/internal/directory"
	"roster/internal/roster"
)

// name is a given or family name in its own script, and in Latin letters for
// the address.
type name struct{ own, latin string }

// culture is a set of names that go together.
type culture struct {
	country     string
	given       string // "own:latin own:latin ...", or just "own" where the two are one
	family      string
	familyFirst bool
}

// cultures give the sample account people of many scripts: Latin with and
// without marks, Cyrillic, Greek, Arabic, Hebrew, Devanagari, Tamil, Thai,
// Chinese, Japanese, Korean, Armenian, Georgian, Amharic.
var cultures = []culture{
	{
		country: "United States",
		given:   "Ava Noah Mia Liam Zoe Owen Ruby Caleb Nora Elijah Grace Henry",
		family:  "Carter Reed Brooks Hayes Foster Coleman Hughes Price Bennett Sullivan O'Neill:oneill Fisher",
	},
	{
		country: "Deutschland",
		given:   "Jörg:joerg Anke Käthe:kaethe Uwe Björn:bjoern Silke Günter:guenter Heike Sören:soeren Ute",
		family:  "Müller:mueller Weiß:weiss Schäfer:schaefer Krüger:krueger Vogel Groß:gross Köhler:koehler Brandt",
	},
	{
		country: "España",
		given:   "Íñigo:inigo Lucía:lucia Álvaro:alvaro Nuria Joaquín:joaquin Begoña:begona Raúl:raul Inés:ines",
		family:  "Núñez:nunez García:garcia Ibáñez:ibanez Peña:pena Domínguez:dominguez Castaño:castano Rincón:rincon",
	},
	{
		country: "Polska",
		given:   "Łukasz:lukasz Małgorzata:malgorzata Paweł:pawel Żaneta:zaneta Michał:michal Bożena:bozena",
		family:  "Wiśniewski:wisniewski Dąbrowska:dabrowska Zieliński:zielinski Wójcik:wojcik Kozłowska:kozlowska",
	},
	{
		country: "Türkiye",
		given:   "Işıl:isil Çağlar:caglar Gülşen:gulsen İbrahim:ibrahim Özge:ozge Uğur:ugur",
		family:  "Yılmaz:yilmaz Şahin:sahin Çelik:celik Öztürk:ozturk Aydın:aydin Güneş:gunes",
	},
	{
		country: "Việt Nam",
		given:   "Hương:huong Tuấn:tuan Ngọc:ngoc Đức:duc Thảo:thao Quỳnh:quynh",
		family:  "Nguyễn:nguyen Trần:tran Phạm:pham Đặng:dang Bùi:bui Võ:vo", familyFirst: true,
	},
	{
		country: "Україна",
		given:   "Олена:olena Тарас:taras Ірина:iryna Богдан:bohdan Юлія:yuliia Андрій:andrii",
		family:  "Шевченко:shevchenko Коваленко:kovalenko Бондар:bondar Мельник:melnyk Ткаченко:tkachenko",
	},
	{
		country: "Ελλάδα",
		given:   "Ελένη:eleni Γιώργος:giorgos Σοφία:sofia Νίκος:nikos Δέσποινα:despoina Πέτρος:petros",
		family:  "Παππάς:pappas Οικονόμου:oikonomou Βασιλείου:vasileiou Αντωνίου:antoniou Λάμπρου:lamprou",
	},
	{
		country: "مصر",
		given:   "أحمد:ahmed ليلى:layla يوسف:youssef مريم:maryam خالد:khaled نور:nour",
		family:  "حسن:hassan منصور:mansour إبراهيم:ibrahim فؤاد:fouad سالم:salem الشريف:elsherif",
	},
	{
		country: "ישראל",
		given:   "נועה:noa איתן:eitan תמר:tamar יונתן:yonatan שירה:shira דוד:david",
		family:  "לוי:levi פרידמן:friedman מזרחי:mizrahi ברק:barak שלום:shalom אזולאי:azoulay",
	},
	{
		country: "भारत",
		given:   "अनिता:anita राहुल:rahul प्रिया:priya विक्रम:vikram सुनीता:sunita अर्जुन:arjun",
		family:  "शर्मा:sharma वर्मा:verma गुप्ता:gupta मिश्रा:mishra जोशी:joshi नायर:nair",
	},
	{
		country: "இலங்கை",
		given:   "கவிதா:kavitha முருகன்:murugan மீனா:meena செல்வம்:selvam லட்சுமி:lakshmi",
		family:  "ராஜன்:rajan சுப்பிரமணியம்:subramaniam பாண்டியன்:pandian நடராஜன்:natarajan",
	},
	{
		country: "ประเทศไทย",
		given:   "สมชาย:somchai มาลี:malee ประเสริฐ:prasert กานดา:kanda วิชัย:wichai อรุณ:arun",
		family:  "ศรีสุข:srisuk ทองดี:thongdi วงศ์ใหญ่:wongyai บุญมา:bunma แสงทอง:saengthong",
	},
	{
		country: "中国",
		given:   "伟:wei 芳:fang 娜:na 敏:min 静:jing 磊:lei 洋:yang 艳:yan",
		family:  "王:wang 李:li 张:zhang 刘:liu 陈:chen 杨:yang 赵:zhao 欧阳:ouyang", familyFirst: true,
	},
	{
		country: "日本",
		given:   "さくら:sakura 健太:kenta 陽子:yoko 翔:sho 美咲:misaki 大輔:daisuke",
		family:  "佐藤:sato 鈴木:suzuki 高橋:takahashi 渡辺:watanabe 小林:kobayashi 山本:yamamoto", familyFirst: true,
	},
	{
		country: "대한민국",
		given:   "민준:minjun 서연:seoyeon 지훈:jihoon 수빈:subin 하은:haeun 도윤:doyun",
		family:  "김:kim 이:lee 박:park 최:choi 정:jung 강:kang", familyFirst: true,
	},
	{
		country: "Հայաստան",
		given:   "Անի:ani Տիգրան:tigran Նարեկ:narek Լուսինե:lusine Գոռ:gor",
		family:  "Սարգսյան:sargsyan Հակոբյան:hakobyan Պետրոսյան:petrosyan Գրիգորյան:grigoryan",
	},
	{
		country: "საქართველო",
		given:   "ნინო:nino გიორგი:giorgi თამარ:tamar ლევან:levan ქეთევან:ketevan",
		family:  "ბერიძე:beridze კაპანაძე:kapanadze გელაშვილი:gelashvili მაისურაძე:maisuradze",
	},
	{
		country: "ኢትዮጵያ",
		given:   "አበበ:abebe ሰላም:selam ዳዊት:dawit ሄለን:helen ዮናስ:yonas",
		family:  "ተስፋዬ:tesfaye በቀለ:bekele ግርማ:girma ኃይሌ:haile",
	},
}

var departments = []string{"Sales", "Support", "Finance", "Engineering", "Legal", "People", "Logistics", "Marketing"}

// parse reads "own:latin own ..." into names.
func parse(list string) []name {
	var names []name
	for item := range strings.FieldsSeq(list) {
		own, latin, ok := strings.Cut(item, ":")
		if !ok {
			latin = strings.ToLower(own)
		}
		names = append(names, name{own, latin})
	}
	return names
}

// people makes n plausible people, the same ones for the same n. Every tenth
// has the address in the script of the name, and the rest in Latin letters;
// some domains are internationalised.
func people(n int) []roster.ImportRow {
	rng := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // sample data, the same each time
	taken := make(map[string]int)
	rows := make([]roster.ImportRow, n)
	for i := range rows {
		c := cultures[rng.IntN(len(cultures))]
		given, family := pick(rng, parse(c.given)), pick(rng, parse(c.family))
		local, domain := given.latin+"."+family.latin, "example.com"
		if i%10 == 9 {
			local = strings.ToLower(given.own + "." + family.own)
			if i%20 == 19 {
				domain = "bücher.example"
			}
		}
		first, last := given.own, family.own
		if c.familyFirst {
			given, family, _ := strings.Cut(local, ".")
			local = family + "." + given
		}
		taken[local+domain]++
		if count := taken[local+domain]; count > 1 {
			local = fmt.Sprintf("%s%d", local, count)
		}
		rows[i] = roster.ImportRow{
			Line:      i + 1,
			Email:     local + "@" + domain,
			OrgUserID: fmt.Sprintf("E%05d", i+1),
			Profile: directory.Profile{
				FirstName: first, LastName: last, CompanyName: "Example Corp",
				Department: departments[rng.IntN(len(departments))], Country: c.country,
			},
		}
	}
	return rows
}

func pick(rng *rand.Rand, names []name) name { return names[rng.IntN(len(names))] }
