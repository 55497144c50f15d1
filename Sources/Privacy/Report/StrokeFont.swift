/// A font made of strokes, for figures that are drawn as pixels: printable ASCII.
///
/// The glyphs are the Hershey Simplex Roman letters, made by Dr. A. V. Hershey at the U.S. National Bureau of Standards, in
/// the coding of James Hurt, Cognition, Inc.: two characters are a number each, counted from R. The first pair is the left
/// and right end of the glyph, then come points; a blank and R lift the pen. Capitals stand 21 units high.
enum StrokeFont {
    /// Height of a capital letter, in the glyphs' units.
    static let capitalHeight = 21.0
    /// The line on which letters stand, in the glyphs' units, downwards.
    private static let baseline = 9.0

    /// The strokes of a text that starts at the origin of its base line, y pointing down, and its width.
    ///
    /// - Parameters:
    ///   - text: What to write; characters that the font lacks become question marks.
    ///   - height: Height of a capital letter, in pixels.
    static func strokes(_ text: String, height: Double) -> (strokes: [[Point]], width: Double) {
        let scale = height / capitalHeight
        var strokes: [[Point]] = []
        var advance = 0.0
        for character in text {
            let ascii = character.asciiValue ?? (character == "\u{2013}" ? UInt8(ascii: "-") : UInt8(ascii: "?"))
            let code = Array((ascii >= 32 && ascii < 127 ? glyphs[Int(ascii) - 32] : glyphs[31]).utf8)
            func number(_ index: Int) -> Double { Double(Int(code[index]) - 82) }
            var stroke: [Point] = []
            for index in Swift.stride(from: 2, to: code.count - 1, by: 2) {
                if code[index] == UInt8(ascii: " ") {
                    strokes.append(stroke)
                    stroke = []
                } else {
                    stroke.append(
                        Point(
                            x: (advance + number(index) - number(0)) * scale, y: (number(index + 1) - baseline) * scale)
                    )
                }
            }
            if !stroke.isEmpty { strokes.append(stroke) }
            advance += number(1) - number(0)
        }
        return (strokes, advance * scale)
    }

    // swift-format-ignore
    private static let glyphs: [String] = [
        #"JZ"#,
        #"MWRFRT RRYQZR[SZRY"#,
        #"JZNFNM RVFVM"#,
        #"H]SBLb RYBRb RLOZO RKUYU"#,
        #"H\PBP_ RTBT_ RYIWGTFPFMGKIKKLMMNOOUQWRXSYUYXWZT[P[MZKX"#,
        #"F^[FI[ RNFPHPJOLMMKMIKIIJGLFNFPGSHVHYG[F RWTUUTWTYV[X[ZZ[X[VYTWT"#,
        #"E_\O\N[MZMYNXPVUTXRZP[L[JZIYHWHUISJRQNRMSKSIRGPFNGMIMKNNPQUXWZY[[[\Z\Y"#,
        #"MWRHQGRFSGSIRKQL"#,
        #"KYVBTDRGPKOPOTPYR]T`Vb"#,
        #"KYNBPDRGTKUPUTTYR]P`Nb"#,
        #"JZRLRX RMOWU RWOMU"#,
        #"E_RIR[ RIR[R"#,
        #"NVSWRXQWRVSWSYQ["#,
        #"E_IR[R"#,
        #"NVRVQWRXSWRV"#,
        #"G][BIb"#,
        #"H\QFNGLJKOKRLWNZQ[S[VZXWYRYOXJVGSFQF"#,
        #"H\NJPISFS["#,
        #"H\LKLJMHNGPFTFVGWHXJXLWNUQK[Y["#,
        #"H\MFXFRNUNWOXPYSYUXXVZS[P[MZLYKW"#,
        #"H\UFKTZT RUFU["#,
        #"H\WFMFLOMNPMSMVNXPYSYUXXVZS[P[MZLYKW"#,
        #"H\XIWGTFRFOGMJLOLTMXOZR[S[VZXXYUYTXQVOSNRNOOMQLT"#,
        #"H\YFO[ RKFYF"#,
        #"H\PFMGLILKMMONSOVPXRYTYWXYWZT[P[MZLYKWKTLRNPQOUNWMXKXIWGTFPF"#,
        #"H\XMWPURRSQSNRLPKMKLLINGQFRFUGWIXMXRWWUZR[P[MZLX"#,
        #"NVROQPRQSPRO RRVQWRXSWRV"#,
        #"NVROQPRQSPRO RSWRXQWRVSWSYQ["#,
        #"F^ZIJRZ["#,
        #"E_IO[O RIU[U"#,
        #"F^JIZRJ["#,
        #"I[LKLJMHNGPFTFVGWHXJXLWNVORQRT RRYQZR[SZRY"#,
        #"E`WNVLTKQKOLNMMPMSNUPVSVUUVS RQKOMNPNSOUPV RWKVSVUXVZV\T]Q]O\L[JYHWGTFQFNGLHJJILHOHRIUJWLYNZQ[T[WZYY"#
            + #"ZX RXKWSWUXV"#,
        #"I[RFJ[ RRFZ[ RMTWT"#,
        #"G\KFK[ RKFTFWGXHYJYLXNWOTP RKPTPWQXRYTYWXYWZT[K["#,
        #"H]ZKYIWGUFQFOGMILKKNKSLVMXOZQ[U[WZYXZV"#,
        #"G\KFK[ RKFRFUGWIXKYNYSXVWXUZR[K["#,
        #"H[LFL[ RLFYF RLPTP RL[Y["#,
        #"HZLFL[ RLFYF RLPTP"#,
        #"H]ZKYIWGUFQFOGMILKKNKSLVMXOZQ[U[WZYXZVZS RUSZS"#,
        #"G]KFK[ RYFY[ RKPYP"#,
        #"NVRFR["#,
        #"JZVFVVUYTZR[P[NZMYLVLT"#,
        #"G\KFK[ RYFKT RPOY["#,
        #"HYLFL[ RL[X["#,
        #"F^JFJ[ RJFR[ RZFR[ RZFZ["#,
        #"G]KFK[ RKFY[ RYFY["#,
        #"G]PFNGLIKKJNJSKVLXNZP[T[VZXXYVZSZNYKXIVGTFPF"#,
        #"G\KFK[ RKFTFWGXHYJYMXOWPTQKQ"#,
        #"G]PFNGLIKKJNJSKVLXNZP[T[VZXXYVZSZNYKXIVGTFPF RSWY]"#,
        #"G\KFK[ RKFTFWGXHYJYLXNWOTPKP RRPY["#,
        #"H\YIWGTFPFMGKIKKLMMNOOUQWRXSYUYXWZT[P[MZKX"#,
        #"JZRFR[ RKFYF"#,
        #"G]KFKULXNZQ[S[VZXXYUYF"#,
        #"I[JFR[ RZFR["#,
        #"F^HFM[ RRFM[ RRFW[ R\FW["#,
        #"H\KFY[ RYFK["#,
        #"I[JFRPR[ RZFRP"#,
        #"H\YFK[ RKFYF RK[Y["#,
        #"KYOBOb RPBPb ROBVB RObVb"#,
        #"KYKFY^"#,
        #"KYTBTb RUBUb RNBUB RNbUb"#,
        #"JZRDJR RRDZR"#,
        #"I[Ib[b"#,
        #"NVSKQMQORPSORNQO"#,
        #"I\XMX[ RXPVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"H[LFL[ RLPNNPMSMUNWPXSXUWXUZS[P[NZLX"#,
        #"I[XPVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"I\XFX[ RXPVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"I[LSXSXQWOVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"MYWFUFSGRJR[ ROMVM"#,
        #"I\XMX]W`VaTbQbOa RXPVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"I\MFM[ RMQPNRMUMWNXQX["#,
        #"NVQFRGSFREQF RRMR["#,
        #"MWRFSGTFSERF RSMS^RaPbNb"#,
        #"IZMFM[ RWMMW RQSX["#,
        #"NVRFR["#,
        #"CaGMG[ RGQJNLMOMQNRQR[ RRQUNWMZM\N]Q]["#,
        #"I\MMM[ RMQPNRMUMWNXQX["#,
        #"I\QMONMPLSLUMXOZQ[T[VZXXYUYSXPVNTMQM"#,
        #"H[LMLb RLPNNPMSMUNWPXSXUWXUZS[P[NZLX"#,
        #"I\XMXb RXPVNTMQMONMPLSLUMXOZQ[T[VZXX"#,
        #"KXOMO[ ROSPPRNTMWM"#,
        #"J[XPWNTMQMNNMPNRPSUTWUXWXXWZT[Q[NZMX"#,
        #"MYRFRWSZU[W[ ROMVM"#,
        #"I\MMMWNZP[S[UZXW RXMX["#,
        #"JZLMR[ RXMR["#,
        #"G]JMN[ RRMN[ RRMV[ RZMV["#,
        #"J[MMX[ RXMM["#,
        #"JZLMR[ RXMR[P_NaLbKb"#,
        #"J[XMM[ RMMXM RM[X["#,
        #"KYTBRCQDPFPHQJRKSMSOQQ RRCQEQGRISJTLTNSPORSTTVTXSZR[Q]Q_Ra RQSSUSWRYQZP\P^Q`RaTb"#,
        #"NVRBRb"#,
        #"KYPBRCSDTFTHSJRKQMQOSQ RRCSESGRIQJPLPNQPURQTPVPXQZR[S]S_Ra RSSQUQWRYSZT\T^S`RaPb"#,
        #"F^IUISJPLONOPPTSVTXTZS[Q RISJQLPNPPQTTVUXUZT[Q[O"#,
    ]
}
