//! Runs in which a call is made at all.

use stand_in::{ConnectionFault, Fault, Operation};

use super::{FaultKind, Target};
use crate::{
    case::{Case, StatusFrom, Trigger},
    ecs::EcsDeployment,
    matrix::{SEARCHED, base},
};

const TENANT: &str = r#""distributionTenantId": "$TENANT", "paths": ["/*"]"#;
/// What the base's stack invalidates as well, for one deployment group.
const TARGETS: &str = r#"{"shop/web":[{"distributionId":"E1WEBSITE00001","paths":["/*"]},{"distributionId":"E2IMAGES000002","paths":["/*"]}]}"#;

impl Target {
    /// A run in which the call is made at all.
    pub(super) fn base(self, name: String) -> Case {
        let mut case = base(name);
        let closed = Fault::After(ConnectionFault::Closed);
        match self {
            // Only if the repeated caller reference is rejected.
            Self::List => {
                let mut case =
                    case.fault_at(Some(0), Operation::CreateInvalidation, Some(1), closed);
                case.stack.distributions = SEARCHED.into();
                case.behavior.rejects_known_caller_reference = true;
                case
            }
            Self::Config => case.with_first_batch(
                r##""distributionId": "$DISTRIBUTION", "paths": ["/*", "#blog"]"##,
            ),
            Self::Tenant => case.with_first_batch(
                r##""distributionTenantId": "$TENANT", "paths": ["/*", "#blog"]"##,
            ),
            Self::TenantCreate | Self::TenantGet => case.with_first_batch(TENANT),
            Self::TenantList => {
                let operation = Self::TenantCreate.operation();
                let mut case = case.fault_at(Some(0), operation, Some(1), closed);
                case.behavior.rejects_known_caller_reference = true;
                case.with_first_batch(TENANT)
            }
            Self::Deployment => {
                let parameters = &mut case.stack.parameters;
                parameters.insert("Targets".to_owned(), TARGETS.to_owned());
                case
            }
            Self::EcsStart | Self::EcsDescribe => case.triggered(
                Trigger::Ecs(EcsDeployment::BlueGreen),
                StatusFrom::Completion,
            ),
            Self::EcsQueue | Self::RollbackStatus => {
                case.triggered(Trigger::Ecs(EcsDeployment::RolledBack), StatusFrom::Nothing)
            }
            Self::RollbackDeployment | Self::RollbackStart => case.triggered(
                Trigger::DeploymentSucceeded("codeDeployRollback".to_owned()),
                StatusFrom::Nothing,
            ),
            // Only if the hook function fails at every attempt.
            Self::Describe => {
                let killed = Fault::Before(ConnectionFault::CallerKilled);
                case.fault(Operation::StartExecution, None, killed)
            }
            // Only if the report is denied.
            Self::DescribeError => {
                let denied = FaultKind::Denied.at(Self::Report);
                case.fault(Self::Report.operation(), Some(1), denied)
            }
            // Only if the hook function can neither start the execution nor report.
            Self::Queue => {
                let missing = FaultKind::NotFound.at(Self::Start);
                let unavailable = FaultKind::Unavailable.at(Self::Report);
                case.fault(Operation::StartExecution, None, missing).fault(
                    Self::Report.operation(),
                    Some(6),
                    unavailable,
                )
            }
            _ => case,
        }
    }
}
