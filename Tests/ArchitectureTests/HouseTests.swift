import Testing

/// The rules, held against the clone.
@Suite("The house keeps its rules")
struct HouseTests {
    private func expectNone(_ violations: [Violation], _ location: SourceLocation = #_sourceLocation) {
        for violation in violations {
            Issue.record("\(violation)", sourceLocation: location)
        }
    }

    @Test("The rules look at the whole clone")
    func wholeClone() {
        #expect(SourceTree.clone.modules.isSuperset(of: ["API", "Sync", "Persistence", "CLibPQ"]))
        #expect(SourceTree.clone.server.count > 30)
        #expect(SourceTree.clone.file("Package.swift") != nil)
    }

    @Test("Every import line is in its room's row, and every module has a row")
    func imports() { expectNone(ImportRules.imports(.clone)) }

    @Test("Package.swift and the table of imports say the same")
    func graph() { expectNone(ImportRules.graph(.clone)) }

    @Test("SQL and the driver are named by Persistence and by a feature's Storage alone")
    func storage() { expectNone(VocabularyRules.storage(.clone)) }

    @Test("Persistence and Storage name nothing of the edge")
    func edgeWords() { expectNone(VocabularyRules.edgeWords(.clone)) }

    @Test("App names a feature in its list and in commands alone")
    func featuresAreListedOnce() { expectNone(ImportRules.featuresAreListedOnce(.clone)) }

    @Test("Realtime and Sync name no feature's noun")
    func featureWords() { expectNone(VocabularyRules.featureWords(.clone)) }

    @Test("App alone reads the environment")
    func environment() { expectNone(VocabularyRules.environmentAccess(.clone)) }

    @Test("Nobody starts work that nobody waits for")
    func bareTasks() { expectNone(VocabularyRules.bareTasks(.clone)) }

    @Test("Text from outside is keyed, compared and cut by bytes")
    func outsideText() { expectNone(OutsideTextRules.verbatim(.clone)) }

    @Test("No file is longer than 400 lines without a reason")
    func sizes() { expectNone(TidyRules.sizes(.clone)) }

    @Test("No name says nothing")
    func names() { expectNone(TidyRules.names(.clone)) }

    @Test("Nothing is left to do without a decision")
    func leftovers() { expectNone(TidyRules.leftovers(.clone)) }

    @Test("The server has nothing public")
    func access() { expectNone(TidyRules.access(.clone)) }

    @Test("Nothing in the server ends the process")
    func traps() { expectNone(TidyRules.traps(.clone)) }

    @Test("Every code of a problem is written once and stands in the table")
    func problems() { expectNone(ProblemRules.table(.clone)) }

    @Test("Every target has the house's settings")
    func settings() { expectNone(PackageRules.house(.clone)) }

    @Test("Every migration has its way back")
    func migrations() { expectNone(MigrationRules.pairs(.clone)) }

    @Test("The files and symbols that ARCHITECTURE.md names exist")
    func architecture() { expectNone(DocumentRules.architecture(.clone)) }

    @Test("Migrations hold structure, and a feature's SQL its rules")
    func rulesApart() { expectNone(MigrationRules.rulesApart(.clone)) }

    @Test("No function of the database is longer than 50 lines")
    func functionSizes() { expectNone(SQLRules.sizes(.clone)) }

    @Test("A feature's SQL names its own tables, and of others what they publish")
    func ownTables() { expectNone(SQLRules.ownTables(.clone)) }

    @Test("What a room offers to others is named by one of them")
    func symbols() { expectNone(SymbolRules.unnamed(.clone)) }

    @Test("Every table of a user has user_id first in its primary key")
    func userFirst() { expectNone(MigrationRules.userFirst(.clone)) }
}
