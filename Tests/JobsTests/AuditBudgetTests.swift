import Jobs
import Testing

@Suite struct AuditBudgetTests {
    @Test(arguments: [
        ("unlimited", AuditBudget.unlimited), ("200000", .evaluations(200_000)), ("2e5", .evaluations(200_000)),
        ("2.5e5", .evaluations(250_000)), ("1", .evaluations(1)),
        ("999999999999999", .evaluations(999_999_999_999_999)),
        ("10m", .minutes(10)), ("1.5m", .minutes(1.5)), ("1e2m", .minutes(100)), ("0.25m", .minutes(0.25)),
    ])
    func aBudgetIsRead(text: String, budget: AuditBudget) {
        #expect(AuditBudget(text) == budget)
        #expect(AuditBudget(budget.description) == budget, "\(budget) reads back")
    }

    @Test(arguments: [
        "", " ", "m", "0", "-1", "0.5", "1.5", "1e15", "inf", "-inf", "nan", "0m", "-1m", "infm", "nanm", "10 m",
        " 10m", "10M",
        "10min", "10s", "1,000", "two", "2e5x", "Unlimited", "10mm",
    ])
    func whatIsNoBudgetIsRefused(text: String) {
        #expect(AuditBudget(text) == nil)
    }
}
