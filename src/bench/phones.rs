//! Phone numbers that lead nowhere: area codes of the United States with the exchange 555, which no person has.
//!
//! Of that exchange only directory assistance (1212) and one advertised number (4334) were ever in general use; both are left out.

/// Line numbers of one area code.
const LINES: u32 = 9_998;

/// Area codes in use in the United States.
const AREAS: &[u16] = &[
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248, 251,
    252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318,
    319, 320, 321, 323, 325, 330, 331, 334, 336, 337, 339, 347, 351, 352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412,
    413, 414, 415, 417, 419, 423, 424, 425, 430, 432, 434, 435, 440, 443, 469, 478, 479, 480, 484, 501, 502, 503, 504, 505, 507, 508, 509,
    510, 512, 513, 515, 516, 517, 518, 520, 530, 540, 541, 551, 559, 561, 562, 563, 567, 570, 571, 573, 574, 575, 580, 585, 586, 601, 602,
    603, 605, 606, 607, 608, 609, 610, 612, 614, 615, 616, 617, 618, 619, 620, 623, 626, 630, 631, 636, 641, 646, 650, 651, 660, 661, 662,
    678, 682, 701, 702, 703, 704, 706, 707, 708, 712, 713, 714, 715, 716, 717, 718, 719, 720, 724, 727, 731, 732, 734, 740, 754, 757, 760,
    763, 765, 769, 770, 772, 773, 774, 775, 779, 781, 785, 786, 801, 802, 803, 804, 805, 806, 808, 810, 812, 813, 814, 815, 816, 817, 818,
    828, 830, 831, 832, 843, 845, 847, 848, 850, 856, 857, 858, 859, 860, 862, 863, 864, 865, 870, 878, 901, 903, 904, 906, 907, 908, 909,
    910, 912, 913, 914, 915, 916, 917, 918, 919, 920, 925, 928, 931, 936, 937, 940, 941, 947, 949, 951, 952, 954, 956, 970, 971, 972, 973,
    978, 979, 980, 985, 989,
];

/// How many numbers there are.
pub const COUNT: u32 = AREAS.len() as u32 * LINES;

/// The ten digits of number `index`; from [`COUNT`] on they come again.
pub fn digits(index: u32) -> [u8; 10] {
    let index = index % COUNT;
    let (area, mut line) = (AREAS[(index / LINES) as usize], index % LINES);
    line += u32::from(line >= 1212);
    line += u32::from(line >= 4334);
    let mut digits = [0; 10];
    let whole = u64::from(area) * 10_000_000 + 5_550_000 + u64::from(line);
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b'0' + u8::try_from(whole / 10_u64.pow(place as u32) % 10).expect("a digit is below ten");
    }
    digits
}

/// [`digits`] as text.
pub fn number(index: u32) -> String {
    digits(index).iter().map(|it| char::from(*it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact;
    use std::collections::HashSet;

    #[test]
    fn numbers_differ_and_are_in_the_numbering_plan() {
        assert!(AREAS.is_sorted());
        for (index, area) in (0..COUNT).step_by(LINES as usize).zip(AREAS) {
            let number = number(index + 143);
            assert_eq!(number, format!("{area}5550143"));
            assert!(contact::phone(&number, &[]).is_ok(), "{number}");
        }
        let first: HashSet<_> = (0..2 * LINES).map(digits).collect();
        assert_eq!(first.len(), 2 * LINES as usize);
        assert!(!first.contains(b"2015551212") && !first.contains(b"2015554334") && first.contains(b"2015559999"));
        assert_eq!(digits(COUNT), digits(0));
    }
}
