import API
import FoundationEssentials
import Testing

@testable import Accounts

@Suite struct RecentCallersTests {
    private func someone() -> (caller: Caller, token: SessionToken) {
        let user = UUID.v7()
        let caller = Caller(
            user: user, session: .v7(), device: .init(id: .v7(), name: "laptop", kind: "desktop"), expires: .now())
        return (caller, .make(for: user))
    }

    @Test("A token is remembered for two minutes after its bearer was proven, or until it is forgotten")
    func times() {
        let recent = RecentCallers()
        let (ada, ben, now) = (someone(), someone(), ContinuousClock.now)
        recent.remember(ada.caller, bearing: ada.token, now: now)
        recent.remember(ben.caller, bearing: ben.token, now: now)
        #expect(recent.caller(bearing: ada.token, now: now + .seconds(119))?.session == ada.caller.session)
        #expect(recent.caller(bearing: ada.token, now: now + .seconds(121)) == nil)
        recent.forget(ben.token)
        #expect(recent.caller(bearing: ben.token, now: now) == nil)
        #expect(recent.caller(bearing: .make(for: ada.caller.user), now: now) == nil, "another token of theirs")
    }

    @Test("However many there are, who asks often stays and the memory has its bound")
    func bound() {
        let recent = RecentCallers(most: 10)
        let (ada, now) = (someone(), ContinuousClock.now)
        recent.remember(ada.caller, bearing: ada.token, now: now)
        for _ in 0..<1_000 {
            let other = someone()
            recent.remember(other.caller, bearing: other.token, now: now)
            #expect(recent.caller(bearing: ada.token, now: now) != nil)
        }
        #expect(recent.count <= 20)
    }
}
