import Foundation
import Jobs
import Testing

@testable import Coordinator
