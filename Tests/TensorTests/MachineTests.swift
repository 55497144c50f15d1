import CKernels
import Foundation
import Tensor
import Testing

@Suite struct MachineTests {
    @Test func profileIsStableAndSurvivesCoding() throws {
        let profile = NumericsProfile.current()
        #expect(profile == .current() && profile.differences(from: .current()).isEmpty)
        let decoded = try JSONDecoder().decode(NumericsProfile.self, from: JSONEncoder().encode(profile))
        #expect(decoded == profile)
        #expect(profile.oneDNN.first?.isNumber == true && profile.oneDNNInstructions != "code 0")
    }

    @Test func profileNamesWhatDiffers() {
        let profile = NumericsProfile.current()
        var other = profile
        other.level2Cache += 1
        other.kernels = profile.kernels == .baseline ? .avx512 : .baseline
        other.oneDNN = "0.0.0"
        other.rules += 1
        let differences = profile.differences(from: other)
        #expect(differences.count == 4)
        #expect(differences.contains { $0.contains("second-level cache") && $0.contains("\(profile.level2Cache)") })
        #expect(differences.contains { $0.contains("oneDNN") && $0.contains("0.0.0") })
    }

    @Test func everyDifferenceIsNamed() throws {
        // Whatever is stored is compared: a new property without a line here would pass unnoticed.
        var profile = NumericsProfile.current()
        profile.convolutions = "abc"
        let stored = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(profile)) as? [String: Any])
        var other = profile
        other.rules = -1
        other.kernels = profile.kernels == .avx2 ? .avx512 : .avx2
        (other.oneDNNInstructions, other.oneDNN, other.cLibrary, other.convolutions) = ("", "", "", nil)
        (other.level1DataCache, other.level2Cache, other.level3Cache) = (-1, -1, -1)
        #expect(profile.differences(from: other).count == stored.count)
    }

    @Test func kernelsUseWhatTheProcessorHas() {
        #expect(diptych_kernels_level() <= diptych_kernels_supported())
        #expect(Level.all.allSatisfy { $0.kernels.level == $0.number })
    }

    @Test func aLimitHoldsForKernelsAndOneDNN() async {
        // In a process of its own: oneDNN takes a limit only before its first use.
        await #expect(processExitsWith: .success) {
            guard InstructionSet.avx2.limit() else { exit(diptych_kernels_supported() < diptych_level_avx2 ? 0 : 1) }
            let profile = NumericsProfile.current()
            exit(profile.kernels <= .avx2 && !profile.oneDNNInstructions.contains("512") ? 0 : 2)
        }
    }

    @Test func oneThreadComputes() {
        Threads.useOne()
        Threads.useOne()
    }

    @Test func bufferCopiesAddsAndChecks() {
        let a = FloatBuffer([1, 2, 3, 4])
        let b = FloatBuffer(count: 4)
        #expect(b.scalars == [0, 0, 0, 0])
        #expect(UInt(bitPattern: a.unsafeElements.baseAddress) % 64 == 0)
        b.copy(from: a, range: 1..<3)
        #expect(b.scalars == [0, 2, 3, 0])
        b.add(a, range: 2..<4)
        #expect(b.scalars == [0, 2, 6, 4])
        b.copy(from: a, range: 0..<2, at: 2)
        #expect(b.scalars == [0, 2, 1, 2])
        b.copy(from: [9], at: 3)
        b.fill(0..<1, with: 5)
        b.scale(0..<2, by: 2)
        #expect(b.scalars == [10, 4, 1, 9] && b[1..<3] == [4, 1] && b[3] == 9)
        #expect(b.squaredNorm(of: 1..<3) == 17)
        a.withMutableSpan { $0[0] = 7 }
        #expect(a.withSpan { $0[0] } == 7 && a.withSpan { $0.count } == 4)
    }

    @Test func aRangeOutsideABufferIsRefused() async {
        await #expect(processExitsWith: .failure) {
            FloatBuffer(count: 4).add(FloatBuffer(count: 8), range: 0..<5)
        }
    }
}
